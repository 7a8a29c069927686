#pragma once
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/settings.h"
#include "mta/api/api.h"
#include "mta/daemon/alarm.h"
#include "mta/daemon/service_notifier.h"
#include "mta/daemon/shard.h"
#include "mta/http/server.h"
#include "mta/io/signal.h"
#include "mta/io/timer.h"
#include "queue/spool.h"

namespace mta::daemon {

// Owns all parts of a running relay: the spool, the shards, the admin socket. Its members are in
// the order in which they are needed, so that they end in the reverse one.
//
//   open -> run (SIGHUP: reload, SIGTERM or SIGINT: drain) -> destroyed: what was asked of the
//   spool is written
class Daemon {
public:
    using Problems = std::vector<std::string>;

    // Recovers the spool, opens listeners and the admin socket. If it cannot serve, it returns
    // sentences for the administrator, and has changed nothing but what recovery mends.
    [[nodiscard]] static std::expected<std::unique_ptr<Daemon>, Problems> open(
        const std::string& config_path, conf::Settings settings);
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    ~Daemon();

    // Returns when the process is to end, with its exit status: 0, or 1 if the spool failed.
    [[nodiscard]] int run();

private:
    using SettingsPtr = std::shared_ptr<const conf::Settings>;

    Daemon(const std::string& config_path, SettingsPtr settings);
    [[nodiscard]] std::expected<void, Problems> start();
    [[nodiscard]] std::expected<void, Problems> open_spool();
    [[nodiscard]] std::expected<void, Problems> open_desk();
    [[nodiscard]] std::expected<void, Problems> serve_metrics(const Endpoint& address);
    void log_order(const api::OrderDone& order);
    // Lowers the limits that do not fit into the available descriptors, and returns what was
    // lowered.
    [[nodiscard]] std::vector<std::string> fit_settings(SettingsPtr& settings) const;
    void report_advice(const std::vector<std::string>& sentences);
    void report_findings();
    void report_ready();
    void on_loaded(std::size_t messages);
    void keep_hints();
    void close_spool();
    void reload();
    [[nodiscard]] std::expected<void, Problems> try_reload();
    void drain(std::string_view signal);
    void on_spool_failed(const std::string& text);
    // Empty if the shard is too busy to answer.
    [[nodiscard]] std::optional<api::RelayStatus> relay_status();
    [[nodiscard]] api::RelayStatus relay_status_here() const;
    void describe_spool(api::RelayStatus& status) const;
    [[nodiscard]] api::RelayFigures figures() const;
    // There is one shard for now: the main thread's.
    [[nodiscard]] Shard& main_shard() const { return *shards_.front(); }

    std::uint64_t descriptors_ = 0;
    std::string config_path_;
    SettingsPtr settings_;
    ServiceNotifier notifier_;
    Alarm alarm_;
    Alarm spool_notes_;
    std::unique_ptr<queue::Spool> spool_;
    std::vector<std::unique_ptr<Shard>> shards_;
    std::unique_ptr<api::Api> api_;
    std::unique_ptr<http::Server> admin_;
    std::unique_ptr<http::Server> metrics_;  // over TCP; null: not wanted
    std::vector<std::unique_ptr<io::Signal>> signals_;
    std::unique_ptr<io::Timer> hint_timer_;
    std::uint64_t hints_written_ = 0;  // their version
    bool is_hint_problem_told_ = false;
    Instant started_;
    int exit_status_ = 0;
    bool is_draining_ = false;

    Instant config_loaded_;
    std::string reload_problem_;
};

}  // namespace mta::daemon
