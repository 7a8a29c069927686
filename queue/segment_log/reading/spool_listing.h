#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/store.h"

namespace queue::segment_log {

// Bytes that are not what they should be.
struct SpoolProblem {
    std::string path;  // relative to the spool's folder
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::string what;
    bool is_stranger = false;  // a segment of another spool
};

// The spool's segments at one moment, for a reader that only looks: their headers and what their
// first records say, by number. Segments of another spool and files that are no segments are left
// out, as a start would leave them out.
class SpoolListing {
public:
    // Fails if seg/ cannot be read, or if a newer posthouse wrote a segment. `version`: what
    // VERSION says.
    static StoreResult<SpoolListing> read(Disk& disk, const std::optional<SpoolVersion>& version);

    [[nodiscard]] const std::map<std::uint64_t, SegmentHeader>& headers() const { return headers_; }
    // In bytes, as the files were found.
    [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& sizes() const { return sizes_; }
    // Where the segment's records end; 0 if no successor says so.
    [[nodiscard]] std::uint64_t end_of(std::uint64_t number) const;
    // The first lsn of the next segment of its stream; 0 if there is none, or if it is unknown.
    [[nodiscard]] std::uint64_t later_lsn(std::uint64_t number) const;
    // A segment was gone when it was to be opened: a running relay recycles them.
    [[nodiscard]] bool has_missed() const { return has_missed_; }

    [[nodiscard]] const std::vector<SpoolProblem>& problems() const { return problems_; }
    [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

private:
    StoreResult<void> add(Disk& disk, std::uint64_t number);
    void set_strangers_aside(const std::optional<SpoolVersion>& version);
    void settle_ends();

    std::map<std::uint64_t, SegmentHeader> headers_;
    std::map<std::uint64_t, std::uint64_t> sizes_;
    std::map<std::uint64_t, SegmentOrigin> origins_;  // of the segments that have a record
    std::map<std::uint64_t, std::uint64_t> ends_;     // as the successors say
    std::vector<SpoolProblem> problems_;
    std::vector<std::string> notes_;
    bool has_missed_ = false;
};

}  // namespace queue::segment_log
