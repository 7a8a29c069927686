#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/histogram.h"
#include "mta/base/time.h"
#include "mta/http/server.h"
#include "mta/outbound/queue_manager.h"

namespace mta::admin {

// Figures for monitoring that the queue managers do not have, since the start where it says so.
struct RelayFigures {
    // Of clients.
    std::uint64_t connections_total = 0;
    std::vector<std::pair<std::string, std::uint64_t>> refused_total;  // by reason
    Histogram stored;  // from the end of a message to its being on disk
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

// What the daemon knows and no shard does.
struct RelayStatus {
    std::string version;
    std::string hostname;
    Instant now;
    Instant started;
    std::vector<std::string> listeners;  // "0.0.0.0:25"
    std::uint32_t clients = 0;           // connections open now

    std::string spool_path;
    std::string spool_refusal;  // why new mail is refused (queue::Store::refusal); empty: it is not
    bool is_spool_stalled = false;  // and nothing can be written (queue::Store::is_stalled)
    std::vector<std::string>
        spool_quarantine;  // files with damaged bytes that nobody took away yet
    // Of the spool's files: how many, how much is in them, and how much of that is queued; and
    // since the start, how many were used again and how much was copied together for that.
    std::uint64_t spool_segments = 0;
    std::uint64_t spool_written_bytes = 0;
    std::uint64_t spool_live_bytes = 0;
    std::uint64_t spool_recycled = 0;
    std::uint64_t spool_copied_bytes = 0;
    bool is_loading = false;                    // not all that was queued at start is known yet:
    std::uint64_t loaded_messages = 0;          // so many are,
    std::optional<std::uint64_t> old_messages;  // of so many; nothing: that is not known either
    std::optional<std::uint64_t> spool_free_bytes;
    std::optional<std::uint64_t> spool_total_bytes;

    std::string config_path;
    Instant config_loaded;       // the settings that hold are from then
    std::string reload_problem;  // why the last reload changed nothing; empty: it worked
    bool is_draining = false;    // it is about to stop

    RelayFigures figures;
};

class Monitoring;

// Answers the requests of mta/admin/server.h from what the shards say. Every answer is JSON: the
// thing asked for, or {"error": sentence} with
//   400  the request makes no sense       404  no such path
//   405  another method                   503  a shard did not answer in time
// The paths, their parameters and answers are in docs/posthouse-api.7, which is a promise to those
// who use them: change both together.
//
// handle() may be called by many threads at once. It waits for the shards, each step at most
// `patience`. A shard that is asked after it has gone must drop the work unrun (io::Mailbox does).
class Api {
public:
    // Runs its argument on the shard's thread, with its queue manager and its time.
    using Ask = std::move_only_function<void(outbound::QueueManager&, Instant)>;
    using Post = std::function<void(Ask)>;
    // Called by any thread. Nothing: it could not be had in time.
    using GetStatus = std::function<std::optional<RelayStatus>()>;

    static constexpr Millis default_patience{5000};

    Api(std::vector<Post> shards, GetStatus get_status, Millis patience = default_patience);
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;
    ~Api();

    [[nodiscard]] Response handle(const Request& request) const;

private:
    [[nodiscard]] nlohmann::json loading() const;
    [[nodiscard]] Response answer(const Request& request) const;

    std::vector<Post> shards_;
    GetStatus get_status_;
    Millis patience_;
    mutable std::atomic<bool> is_loaded_ = false;
    std::unique_ptr<Monitoring> monitoring_;
};

}  // namespace mta::admin
