#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/store.h"

namespace queue::segment_log {

// The files beside the segments: the folders, LOCK, VERSION, and what goes to quarantine/.

// Makes the folders where they are missing, and takes the lock. The error names its holder.
[[nodiscard]] StoreResult<std::unique_ptr<Disk::Lock>> enter_spool(Disk& disk);

// "posthouse spool 1" and the spool's uuid, in a text file.
struct SpoolVersion {
    std::uint16_t version = format_version;
    Uuid spool{};
};
// Empty if there is none, or if it cannot be read. An error if a newer posthouse wrote the spool.
[[nodiscard]] StoreResult<std::optional<SpoolVersion>> read_version(Disk& disk);
[[nodiscard]] StoreResult<void> write_version(Disk& disk, const SpoolVersion& version);
// Which spool the folder is, of whose segments these are the headers, by number: VERSION decides.
// Without a VERSION that can be read, and where no segment has its uuid, the uuid that most
// segments have decides; of several, that of the segment with the lowest number. Empty if there is
// neither a VERSION nor a segment.
[[nodiscard]] std::optional<Uuid> own_spool(const std::optional<SpoolVersion>& version,
                                            const std::vector<SegmentHeader>& segments);
[[nodiscard]] std::string stranger_words(const Uuid& uuid);
[[nodiscard]] StoreError newer_version_error(const Disk& disk, unsigned version);

// Keeps bytes in quarantine/<name>, synced, replacing what was there by that name. Returns the
// path.
[[nodiscard]] DiskResult<std::string> quarantine(Disk& disk, const std::string& name,
                                                 std::string_view bytes);
// "<segment>-<offset>.bytes"
[[nodiscard]] std::string quarantine_name(std::uint64_t segment, std::uint64_t offset);

[[nodiscard]] StoreError to_store_error(const DiskError& error);

}  // namespace queue::segment_log
