#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "conf/settings.h"
#include "dns/caching_resolver.h"
#include "dns/cares_driver.h"
#include "dns/hosts_file.h"
#include "mta/base/log.h"
#include "mta/base/pending.h"
#include "mta/daemon/idle_memory.h"
#include "mta/events/dispatcher.h"
#include "mta/events/log_sink.h"
#include "mta/inbound/server.h"
#include "mta/io/clock.h"
#include "mta/io/loop.h"
#include "mta/io/mailbox.h"
#include "mta/io/tcp_connector.h"
#include "mta/io/timer.h"
#include "mta/outbound/queue_manager.h"
#include "queue/store.h"

namespace mta::daemon {

// One loop thread and what lives in it: listeners and their clients, DNS, deliveries. Shards share
// nothing but the spool behind the store; work comes in from outside only through post().
//
// Order of calls: construct, open_store, load, listen, run (until stop), on the thread that will
// call run().
class Shard {
public:
    using SettingsPtr = std::shared_ptr<const conf::Settings>;
    using Problems = std::vector<std::string>;
    // Makes this shard's side of the spool; `post` brings its callbacks onto the shard's loop.
    using MakeStore =
        std::function<std::unique_ptr<queue::Store>(std::function<void(io::Mailbox::Work)> post)>;

    Shard(SettingsPtr settings, Log::Output log_output, bool log_for_journal);
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;
    ~Shard();

    void open_store(const MakeStore& make_store);
    // Takes over what is queued; `on_loaded` gets the number of messages.
    void load(std::function<void(std::size_t messages)> on_loaded);
    [[nodiscard]] bool is_loaded() const { return is_loaded_; }
    [[nodiscard]] std::size_t loaded() const { return loaded_; }  // messages, so far
    // Opens the listeners. Returns sentences for the administrator if one cannot be opened.
    [[nodiscard]] std::expected<void, Problems> listen();
    void run() { loop_.run(); }

    // All or nothing: after an error the old settings hold in every part.
    [[nodiscard]] std::expected<void, Problems> reload(SettingsPtr settings);
    // Takes no new mail, finishes what is past a final dot, and stops the loop when nothing is
    // under way, or at the latest after `patience`.
    void drain(Millis patience);
    // Stops the loop now: what is past a final dot is in doubt.
    void stop();
    // Destroys everything that uses the store. Call it after run().
    void close();

    // From any thread.
    void post(io::Mailbox::Work work) { mailbox_.post(std::move(work)); }

    [[nodiscard]] io::Loop& loop() { return loop_; }
    // From the shard's thread.
    void report(const events::Event& event) const { events_.send(now(), event); }
    void flush_log() { log_.flush(); }
    [[nodiscard]] Instant now() const { return clock_.now(); }
    [[nodiscard]] outbound::QueueManager& queue_manager() { return *queue_manager_; }
    [[nodiscard]] const inbound::Server& server() const { return *server_; }
    [[nodiscard]] const queue::Store& store() const { return *store_; }
    [[nodiscard]] const dns::CachingResolver& resolver() const { return *resolver_; }
    [[nodiscard]] const SettingsPtr& settings() const { return settings_; }

private:
    void request_tick();
    void tick();
    void log_broken_records(const dns::Answer& answer);
    void look_at_the_clock();
    void stop_if_drained();

    SettingsPtr settings_;
    io::Loop loop_;
    io::Clock clock_;
    Log log_;
    io::Mailbox mailbox_;
    events::LogSink log_sink_;
    events::Dispatcher events_;
    std::mt19937_64 report_salts_ = [] {
        std::random_device source;
        std::seed_seq seed{source(), source(), source(), source()};
        return std::mt19937_64(seed);
    }();
    std::unique_ptr<dns::CaresDriver> dns_;
    dns::HostsFile hosts_file_;
    std::unique_ptr<dns::CachingResolver> resolver_;
    Instant next_broken_records_line_;
    std::uint64_t broken_answers_ = 0;  // since the last line about them
    io::TcpConnector connector_;
    std::unique_ptr<queue::Store> store_;
    std::unique_ptr<outbound::QueueManager> queue_manager_;
    std::unique_ptr<inbound::Server> server_;
    io::Timer tick_timer_;
    io::Timer clock_timer_;
    IdleMemory idle_memory_;
    io::Timer drain_timer_;
    std::size_t loaded_ = 0;
    bool is_loaded_ = false;
    bool is_tick_due_ = false;
    bool is_draining_ = false;
    Pending due_tick_;
};

}  // namespace mta::daemon
