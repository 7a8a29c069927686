#include "mta/daemon/daemon.h"

#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <future>
#include <utility>

#include "conf/advice.h"
#include "conf/loader.h"
#include "conf/problem.h"
#include "mta/api/answer.h"
#include "mta/base/time_format.h"
#include "mta/daemon/descriptors.h"
#include "mta/daemon/hint_codec.h"
#include "mta/daemon/spool_factory.h"

namespace mta::daemon {
namespace {

// A crash forgets at most the troubles of so long.
constexpr Millis hints_interval{5'000};

// What `status` waits for a shard that is busy.
constexpr std::chrono::seconds status_patience{2};

// The journal reads our stderr: $JOURNAL_STREAM says so (systemd.exec(5)). It adds the time itself.
bool is_journal_behind_stderr() {
    return std::getenv("JOURNAL_STREAM") != nullptr;  // NOLINT(concurrency-mt-unsafe)
}

// A log that cannot be written must not stop the mail.
void write_to_stderr(std::string_view lines) {
    while (!lines.empty()) {
        const auto written = ::write(STDERR_FILENO, lines.data(), lines.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        lines.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::string joined(const std::vector<std::string>& sentences) {
    std::string text;
    for (const auto& sentence : sentences) text += (text.empty() ? "" : "; ") + sentence;
    return text;
}

}  // namespace

Daemon::Daemon(const std::string& config_path, SettingsPtr settings)
    : config_path_(config_path), settings_(std::move(settings)) {}

Daemon::~Daemon() {
    close_spool();
    signals_.clear();
    hint_timer_.reset();
    alarm_.connect(nullptr);
    spool_notes_.connect(nullptr);
    shards_.clear();
}

std::expected<std::unique_ptr<Daemon>, Daemon::Problems> Daemon::open(
    const std::string& config_path, conf::Settings settings) {
    std::unique_ptr<Daemon> daemon(
        new Daemon(config_path, std::make_shared<const conf::Settings>(std::move(settings))));
    if (auto started = daemon->start(); !started) return std::unexpected(started.error());
    return daemon;
}

std::expected<void, Daemon::Problems> Daemon::start() {
    descriptors_ = raise_descriptor_limit();
    auto lowered = fit_settings(settings_);
    if (auto opened = open_spool(); !opened) return opened;
    shards_.push_back(
        std::make_unique<Shard>(settings_, write_to_stderr, is_journal_behind_stderr()));
    auto& shard = main_shard();
    shard.loop().lingering().set_max(lingering_max(descriptors_));
    alarm_.connect([this, &shard](const std::string& text) {
        shard.post([this, text] { on_spool_failed(text); });
    });
    spool_notes_.connect([&shard](const std::string& text) {
        shard.post([&shard, text] { shard.report(events::SpoolNote{text}); });
    });
    started_ = shard.now();
    report_advice(lowered);
    config_loaded_ = started_;
    report_findings();
    const auto opening = spool_->opening();
    shard.report(
        events::SpoolOpened{settings_->spool.path, opening.segments, opening.has_torn_tail});
    shard.open_store([this](auto post) { return spool_->make_store(std::move(post)); });
    if (auto listening = shard.listen(); !listening) return listening;
    if (auto opened = open_desk(); !opened) return opened;

    if (const auto hints = decode_hints(spool_->read_hints())) {
        shard.queue_manager().restore(*hints);
    }
    hint_timer_ = std::make_unique<io::Timer>(shard.loop(), [this] { keep_hints(); });
    hint_timer_->repeat(hints_interval);
    shard.load([this](std::size_t messages) { on_loaded(messages); });
    auto& loop = shard.loop();
    signals_.push_back(std::make_unique<io::Signal>(loop, SIGHUP, [this] { reload(); }));
    signals_.push_back(std::make_unique<io::Signal>(loop, SIGTERM, [this] { drain("SIGTERM"); }));
    signals_.push_back(std::make_unique<io::Signal>(loop, SIGINT, [this] { drain("SIGINT"); }));
    report_ready();
    return {};
}

std::expected<void, Daemon::Problems> Daemon::open_desk() {
    auto& shard = main_shard();
    const auto post = [&shard](api::Ask ask) {
        shard.post([&shard, ask = std::move(ask)]() mutable {
            ask(shard.queue_manager().desk(), shard.now());
        });
    };
    api_ = std::make_unique<api::Api>(
        api::Api::Relay{.shards = {post},
                        .get_status = [this] { return relay_status(); },
                        .on_order = [this](const auto& order) { log_order(order); }});
    const auto& admin = settings_->admin;
    auto socket = http::ListeningSocket::open(
        http::UnixAddress{
            .path = admin.socket, .mode = admin.socket_mode, .group = admin.socket_group},
        "admin.socket");
    if (!socket) return std::unexpected(Problems{socket.error()});
    auto server = http::Server::start(std::move(*socket),
                                      [this](const auto& request) { return api_->handle(request); },
                                      {.threads = 2, .failure = api::failure});
    if (!server) return std::unexpected(Problems{server.error()});
    admin_ = std::move(*server);
    return admin.metrics ? serve_metrics(*admin.metrics) : std::expected<void, Problems>();
}

// Everyone on the machine can connect to a TCP address, so only the metrics are served there.
std::expected<void, Daemon::Problems> Daemon::serve_metrics(const Endpoint& address) {
    auto socket = http::ListeningSocket::open(address, "admin.metrics");
    if (!socket) return std::unexpected(Problems{socket.error()});
    auto server = http::Server::start(std::move(*socket),
                                      [this](const http::Request& request) {
                                          if (request.path == "/metrics")
                                              return api_->handle(request);
                                          return api::failure(404, "here are only /metrics");
                                      },
                                      {.threads = 1, .failure = api::failure});
    if (!server) return std::unexpected(Problems{server.error()});
    metrics_ = std::move(*server);
    return {};
}

// Called by the threads of the admin socket.
void Daemon::log_order(const api::OrderDone& order) {
    constexpr std::size_t words_bytes_max = 500;
    events::Ordered ordered{order.what.substr(0, words_bytes_max), order.messages,
                            order.recipients};
    auto& shard = main_shard();
    shard.post([&shard, ordered = std::move(ordered)] { shard.report(ordered); });
}

std::expected<void, Daemon::Problems> Daemon::open_spool() {
    auto opened = daemon::open_spool(
        settings_->spool,
        {.on_failed = [this](const std::string& text) { alarm_.raise(text); },
         .on_note = [this](const std::string& text) { spool_notes_.raise(text); }});
    if (!opened) return std::unexpected(Problems{opened.error().text});
    spool_ = std::move(*opened);
    return {};
}

void Daemon::report_findings() {
    auto& shard = main_shard();
    const auto findings = spool_->take_findings();
    for (const auto& damage : findings.damages) {
        shard.report(events::SpoolDamaged{damage.segment, damage.offset, damage.bytes, damage.what,
                                          damage.quarantine_path});
    }
    for (const auto& note : findings.notes) shard.report(events::SpoolNote{note});
}

// New mail is taken from now on; what was queued before comes in behind it.
void Daemon::report_ready() {
    auto& shard = main_shard();
    events::Ready ready{.version = POSTHOUSE_VERSION, .hostname = settings_->hostname};
    for (const auto& address : shard.server().listening_on())
        ready.listening.push_back(to_string(address));
    shard.report(ready);
    report_advice(conf::advice(*settings_));
    notifier_.ready("relaying");
}

void Daemon::on_loaded(std::size_t messages) {
    report_findings();
    main_shard().report(events::SpoolLoaded{messages});
}

void Daemon::keep_hints() {
    auto& shard = main_shard();
    report_findings();
    const auto problem = spool_->hints_problem();
    if (problem.empty()) {
        is_hint_problem_told_ = false;
    } else if (!std::exchange(is_hint_problem_told_, true)) {
        shard.report(events::HintsNotKept{problem});
    }
    const auto version = shard.queue_manager().hints_version();
    if (version == hints_written_) return;
    spool_->keep_hints(encode_hints(shard.queue_manager().hints()));
    hints_written_ = version;
}

// All that uses it ends before.
void Daemon::close_spool() {
    metrics_.reset();  // wait for calls that use the shards
    admin_.reset();
    api_.reset();
    for (const auto& shard : shards_) shard->close();
    spool_.reset();
}

int Daemon::run() {
    main_shard().run();
    keep_hints();
    // Another relay may be started as soon as the log says "stopped".
    close_spool();
    auto& shard = main_shard();
    shard.report(events::Stopped{exit_status_});
    shard.flush_log();
    return exit_status_;
}

void Daemon::reload() {
    if (is_draining_) return;
    notifier_.reloading();
    auto& shard = main_shard();
    const auto result = try_reload();
    if (result) config_loaded_ = shard.now();
    reload_problem_ = result ? std::string{} : joined(result.error());
    if (result) {
        shard.report(events::Reloaded{config_path_});
    } else {
        for (const auto& problem : result.error()) shard.report(events::ReloadProblem{problem});
        shard.report(events::ReloadRefused{config_path_});
    }
    notifier_.ready(result ? "relaying" : "relaying with the old configuration: reload refused");
}

std::expected<void, Daemon::Problems> Daemon::try_reload() {
    auto loaded = conf::load(config_path_);
    if (!loaded) {
        Problems problems;
        for (const auto& problem : loaded.error()) problems.push_back(to_string(problem));
        return std::unexpected(std::move(problems));
    }
    Problems problems;
    if (loaded->spool.path != settings_->spool.path) {
        problems.push_back("spool.path cannot change while the relay runs; restart it");
    }
    if (loaded->spool.segment_bytes != settings_->spool.segment_bytes) {
        problems.push_back("spool.segment_size cannot change while the relay runs; restart it");
    }
    if (loaded->admin.socket != settings_->admin.socket ||
        loaded->admin.socket_mode != settings_->admin.socket_mode ||
        loaded->admin.socket_group != settings_->admin.socket_group) {
        problems.push_back(
            "admin.socket, its mode and its group cannot change while the relay runs; restart it");
    }
    if (loaded->admin.metrics != settings_->admin.metrics) {
        problems.push_back("admin.metrics cannot change while the relay runs; restart it");
    }
    if (!problems.empty()) return std::unexpected(std::move(problems));
    auto settings = std::make_shared<const conf::Settings>(std::move(*loaded));
    report_advice(fit_settings(settings));
    if (auto reloaded = main_shard().reload(settings); !reloaded) return reloaded;
    settings_ = std::move(settings);
    spool_->set_limits(spool_limits(settings_->spool));
    return {};
}

std::vector<std::string> Daemon::fit_settings(SettingsPtr& settings) const {
    auto fitted = *settings;
    auto sentences = fit_to_descriptors(fitted, descriptors_);
    if (!sentences.empty()) settings = std::make_shared<const conf::Settings>(std::move(fitted));
    return sentences;
}

void Daemon::report_advice(const std::vector<std::string>& sentences) {
    for (const auto& sentence : sentences) main_shard().report(events::Advice{sentence});
}

// A second signal does not wait.
void Daemon::drain(std::string_view signal) {
    auto& shard = main_shard();
    if (std::exchange(is_draining_, true)) return shard.stop();
    notifier_.stopping("finishing what is past the final dot");
    shard.report(events::Draining{std::string(signal), settings_->delivery.stop_patience});
    shard.drain(settings_->delivery.stop_patience);
}

// Clients that wait for the disk get 451. Then the process ends, so that the service manager and
// the administrator notice. What was acknowledged is on disk, as far as the disk kept its word.
void Daemon::on_spool_failed(const std::string& text) {
    auto& shard = main_shard();
    exit_status_ = 1;
    shard.report(events::SpoolFailed{settings_->spool.path, text});
    if (std::exchange(is_draining_, true)) return;
    notifier_.stopping("the spool failed: " + text);
    shard.drain(Millis{1000});
}

// On one of the admin server's threads: what the shard knows is asked for on its own.
std::optional<api::RelayStatus> Daemon::relay_status() {
    auto asked = std::make_shared<std::promise<api::RelayStatus>>();
    auto answer = asked->get_future();
    main_shard().post([this, asked] { asked->set_value(relay_status_here()); });
    if (answer.wait_for(status_patience) == std::future_status::ready) return answer.get();
    return std::nullopt;
}

api::RelayFigures Daemon::figures() const {
    const auto& shard = main_shard();
    api::RelayFigures figures;
    const auto& clients = shard.server().statistics();
    figures.connections_total = clients.connections;
    for (std::size_t i = 0; i < clients.refused.size(); ++i) {
        figures.refused_total.emplace_back(to_string(static_cast<inbound::Refusal>(i)),
                                           clients.refused[i]);
    }
    figures.stored = clients.stored;
    const auto& dns = shard.resolver().statistics();
    figures.dns_look_ups_total = dns.look_ups;
    figures.dns_cache_hits_total = dns.cache_hits;
    figures.dns_queries_total = dns.queries;
    figures.dns_failures_total = dns.failures;
    figures.dns_cached = shard.resolver().cached();
    figures.dns_waiting = shard.resolver().waiting();
    return figures;
}

api::RelayStatus Daemon::relay_status_here() const {
    const auto& shard = main_shard();
    api::RelayStatus status;
    status.version = POSTHOUSE_VERSION;
    status.hostname = settings_->hostname;
    status.now = shard.now();
    status.started = started_;
    for (const auto& address : shard.server().listening_on()) {
        status.listeners.push_back(to_string(address));
    }
    status.clients = static_cast<std::uint32_t>(shard.server().connections());
    status.is_loading = !shard.is_loaded();
    status.loaded_messages = shard.loaded();
    status.figures = figures();
    describe_spool(status);
    status.config_path = config_path_;
    status.config_loaded = config_loaded_;
    status.reload_problem = reload_problem_;
    status.is_draining = is_draining_;
    return status;
}

void Daemon::describe_spool(api::RelayStatus& status) const {
    const auto& store = main_shard().store();
    auto spool = spool_->figures();
    status.spool_path = settings_->spool.path;
    if (const auto refusal = store.refusal()) status.spool_refusal = refusal->text;
    status.is_spool_stalled = store.is_stalled();
    status.spool_quarantine = std::move(spool.quarantine);
    status.old_messages = spool.old_messages;
    status.spool_segments = spool.segments;
    status.spool_written_bytes = spool.written_bytes;
    status.spool_live_bytes = spool.live_bytes;
    status.spool_recycled = spool.recycled_total;
    status.spool_copied_bytes = spool.copied_bytes_total;
    status.spool_free_bytes = spool.free_bytes;
    status.spool_total_bytes = spool.total_bytes;
    auto& figures = status.figures;
    figures.spool_messages = spool.messages;
    figures.spool_batches_total = spool.batches_total;
    figures.spool_damaged_reads_total = spool.damaged_reads_total;
    figures.spool_syncs_total = spool.syncs_total;
    const auto seconds = [](auto time) { return std::chrono::duration<double>(time).count(); };
    figures.spool_sync_seconds_total = seconds(spool.sync_time_total);
    figures.spool_sync_seconds_max = seconds(spool.sync_time_max);
}

}  // namespace mta::daemon
