#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "queue/log/disk.h"
#include "queue/log/index.h"
#include "queue/log/log_options.h"
#include "queue/log/segment_header.h"
#include "queue/log/segments.h"
#include "queue/store.h"

namespace queue::log {

// What a spool holds.
struct Recovered {
    struct Segment {
        std::uint64_t number = 0;
        Generation generation;
        std::uint64_t end = 0;           // of its records
        std::uint64_t pinned_bytes = 0;  // must not be recycled: what could not be quarantined
        std::vector<DoneMark> dones;
    };
    std::vector<Segment> segments;  // by number
    std::vector<std::string> free_paths;
    std::vector<std::pair<MessageId, LiveMessage>> messages;  // those due first come first
    std::uint64_t number_max = 0;                             // of any segment, quarantined or not
    std::uint64_t next_lsn = 1;
    std::uint64_t next_id = 1;
    Uuid spool{};
    bool has_spool = false;
    RecoveryReport report;
};

// Reads all segments of a spool whose lock we hold. Afterwards the last one is cut at the end of
// its records and synced; a new one must be started, since writing on behind a hole has lost data
// elsewhere. May be cut short and done again at any point.
//
// Damage is copied to quarantine/, reported, and stepped over. The only errors are a disk that does
// not answer and a newer format.
[[nodiscard]] StoreResult<Recovered> recover(Disk& disk, const LogOptions& options);

}  // namespace queue::log
