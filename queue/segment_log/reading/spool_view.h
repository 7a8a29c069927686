#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "queue/message.h"
#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/reading/spool_listing.h"
#include "queue/segment_log/reading/spool_scan.h"
#include "queue/store.h"

namespace queue::segment_log {

// A message with all that the spool knows of it.
struct SpoolMessage {
    std::shared_ptr<const Message> message;  // its body only if it is inline
    std::vector<RecipientState> states;      // one a recipient, in that order
    bool is_done = false;                    // finished; only its records are still there
    std::uint32_t body_crc = 0;
    std::vector<ChunkRef> chunks;
};

// A spool as it lies on disk, for readers only: nothing is written, cut, renamed or locked. So it
// may be the spool of a running relay. There segments grow, are recycled and appear while they are
// read: what has vanished meanwhile is looked for again, and what cannot be right is read again
// before it is reported as damage. The view shows the state of some moment during open().
//
// Of a message the ENQ with the highest lsn counts, and of a recipient the STATE with the highest
// lsn that contains it. Any DONE ends the message. A copy in another segment is the same message.
//
//     open -> messages -> read -> read_body
//
// `disk` must outlive it.
class SpoolView {
public:
    // If it returns false, open() stops and fails.
    using OnProgress = std::function<bool(std::uint64_t done_bytes, std::uint64_t total_bytes)>;
    using OnBytes = std::function<bool(std::string_view)>;

    struct Options {
        MessageId history_of = 0;  // the message whose records history() returns
        OnProgress on_progress;    // called within open() only; may be null
    };
    // Reads every segment. Fails if there is no spool, if a newer posthouse wrote it, or if the
    // disk cannot be read at all; damage is no failure.
    static StoreResult<std::unique_ptr<SpoolView>> open(Disk& disk, Options options);
    SpoolView(const SpoolView&) = delete;
    SpoolView& operator=(const SpoolView&) = delete;
    ~SpoolView();

    // By id, that is by arrival. `with_done`: also those that are finished, as far as they are
    // still there.
    [[nodiscard]] std::vector<MessageId> messages(bool with_done = false) const;
    // not_found: there is no such message, or the running relay has finished with it meanwhile.
    [[nodiscard]] StoreResult<SpoolMessage> read(MessageId id);
    // Hands over the content (the added header, then the body) in pieces, each checked; stops if
    // `on_bytes` returns false. After the last piece the body's own checksum is checked.
    [[nodiscard]] StoreResult<void> read_body(const SpoolMessage& message, const OnBytes& on_bytes);

    [[nodiscard]] const std::vector<SpoolEvent>& history() const { return history_; }
    // What the segments' checksums say; bodies of several pieces are checked in read_body().
    [[nodiscard]] const std::vector<SpoolProblem>& problems() const { return problems_; }
    // What the administrator may want to know and is no damage: a torn tail, foreign files, a newer
    // record.
    [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
    [[nodiscard]] std::size_t segments() const { return segments_.size(); }
    [[nodiscard]] std::uint64_t records() const;

private:
    struct Place {
        std::uint64_t segment = 0;
        std::uint64_t offset = 0;
        std::uint64_t lsn = 0;  // 0: none
    };
    struct Entry {
        Place enqueue;
        Place state;                // the newest STATE of all recipients
        std::vector<Place> deltas;  // those of some that are newer, in their order
        bool is_done = false;
    };
    struct Segment {
        SegmentHeader header;
        std::uint64_t records = 0;
        bool is_open = false;  // there may be more by now
        std::vector<SpoolProblem> problems;
        std::vector<std::string> notes;
    };

    SpoolView(Disk& disk, Options options) : disk_(disk), options_(std::move(options)) {}
    StoreResult<void> look();
    bool forget_vanished(const SpoolListing& listing);
    StoreResult<bool> scan(std::uint64_t number, const SpoolListing& listing);
    void take(const SpoolScanRequest& request, SpoolScan scan);
    bool report_progress(const SpoolListing& listing);
    void gather_findings(const SpoolListing& listing);
    struct Loaded {
        std::string payload;
        std::uint16_t version = 0;
    };
    StoreResult<Loaded> read_record(std::uint64_t segment, std::uint64_t offset, RecordType type);
    StoreResult<void> apply_state(const Place& place, MessageId id,
                                  std::vector<RecipientState>& states);
    StoreResult<SpoolMessage> read_once(const Entry& entry, MessageId id);
    StoreResult<std::string> read_chunk(MessageId id, const ChunkRef& chunk);

    Disk& disk_;
    Options options_;
    std::optional<SpoolVersion> version_;
    std::map<std::uint64_t, Segment> segments_;  // by number
    std::unordered_map<MessageId, Entry> entries_;
    std::vector<SpoolEvent> history_;
    std::vector<SpoolProblem> problems_;
    std::vector<std::string> notes_;
    // Of the last record read: neighbours are often read one after the other.
    std::uint64_t open_number_ = 0;
    std::unique_ptr<DiskFile> open_file_;
};

}  // namespace queue::segment_log
