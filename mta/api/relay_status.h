#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/histogram.h"
#include "mta/base/time.h"

namespace mta::api {

// Figures that no shard's queue manager has, for monitoring. Totals count from the start of the
// relay.
struct RelayFigures {
    // Of clients.
    std::uint64_t connections_total = 0;
    std::vector<std::pair<std::string, std::uint64_t>> refused_total;  // by reason
    Histogram stored;  // from the end of a message until it is on disk
    // Of the DNS.
    std::uint64_t dns_look_ups_total = 0;
    std::uint64_t dns_cache_hits_total = 0;
    std::uint64_t dns_queries_total = 0;
    std::uint64_t dns_failures_total = 0;
    std::uint64_t dns_cached = 0;
    std::uint64_t dns_waiting = 0;
    // Of the spool.
    std::uint64_t spool_messages = 0;
    std::uint64_t spool_batches_total = 0;
    std::uint64_t spool_syncs_total = 0;
    double spool_sync_seconds_total = 0;
    double spool_sync_seconds_max = 0;
    std::uint64_t spool_damaged_reads_total = 0;
};

// The state of the relay outside of its queue managers.
struct RelayStatus {
    std::string version;
    std::string hostname;
    Instant now;
    Instant started;
    std::vector<std::string> listeners;  // "0.0.0.0:25"
    std::uint32_t clients = 0;           // connections that are open now

    std::string spool_path;
    // Why new mail is refused (queue::Store::refusal); empty if it is not.
    std::string spool_refusal;
    bool is_spool_stalled = false;  // nothing can be written either (queue::Store::is_stalled)
    // Files with damaged bytes that the administrator has not removed yet.
    std::vector<std::string> spool_quarantine;
    // The segment files: their number, the bytes in them, and those of queued mail among these.
    std::uint64_t spool_segments = 0;
    std::uint64_t spool_written_bytes = 0;
    std::uint64_t spool_live_bytes = 0;
    // Since the start: files that were used again, and bytes that were copied to free files.
    std::uint64_t spool_recycled = 0;
    std::uint64_t spool_copied_bytes = 0;
    // The mail that was queued before the start: whether some of it has still to be loaded, how
    // much is loaded, and how much there is, once that is known.
    bool is_loading = false;
    std::uint64_t loaded_messages = 0;
    std::optional<std::uint64_t> old_messages;
    std::optional<std::uint64_t> spool_free_bytes;
    std::optional<std::uint64_t> spool_total_bytes;

    std::string config_path;
    Instant config_loaded;       // when the settings in force were read
    std::string reload_problem;  // why the last reload changed nothing; empty if it succeeded
    bool is_draining = false;    // the relay is about to stop

    RelayFigures figures;
};

// Called by any thread. Empty if the status could not be had in time.
using GetStatus = std::function<std::optional<RelayStatus>()>;

}  // namespace mta::api
