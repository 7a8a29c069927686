#include "mta/daemon/shard.h"

#include <random>
#include <utility>

#include "mta/io/interfaces.h"
#include "mta/io/local_time.h"
#include "mta/report/dsn.h"

namespace mta::daemon {
namespace {
using namespace std::chrono_literals;

constexpr Millis clock_check_interval = 10s;
constexpr Millis broken_records_line_interval = 1min;

dns::CaresOptions cares_options(const conf::Settings& settings) {
    dns::CaresOptions options;
    options.servers = settings.dns.servers;
    options.timeout = settings.dns.timeout;
    options.tries = settings.dns.tries;
    return options;
}

}  // namespace

Shard::Shard(SettingsPtr settings, Log::Output log_output, bool log_for_journal)
    : settings_(std::move(settings)),
      clock_(loop_),
      log_(std::move(log_output), log_for_journal, settings_->log.level),
      mailbox_(loop_),
      log_sink_(log_),
      connector_(loop_),
      tick_timer_(loop_, [this] { tick(); }),
      clock_timer_(loop_, [this] { look_at_the_clock(); }),
      drain_timer_(loop_, [this] { stop(); }) {
    loop_.set_turn_hook([this] {
        if (is_draining_) stop_if_drained();
        log_.flush();
    });
    events_.add([this](Instant at, const auto& event) { log_sink_.write(at, event); });
    clock_timer_.repeat(clock_check_interval);
    dns_ = std::make_unique<dns::CaresDriver>(loop_, clock_, cares_options(*settings_));
    resolver_ = std::make_unique<dns::CachingResolver>(dns::CachingResolver::World{
        .ask =
            [this](const dns::Question& question, dns::Effort effort, auto on_answer,
                   auto on_cut_short) {
                dns_->ask(question, effort, std::move(on_answer), std::move(on_cut_short));
            },
        .now = [this] { return now(); },
        .defer = [this](auto work) { loop_.at_turn_end(std::move(work)); },
        .find_in_hosts_file =
            [this](const std::string& name) {
                return settings_->dns.hosts_file ? hosts_file_.find(name, now())
                                                 : std::vector<IpAddress>();
            },
        .on_broken_records = [this](const auto& answer) { log_broken_records(answer); }});
}

// Connections that end stay in the loop for up to two seconds, so that a client which is still
// sending reads the reply instead of a reset.
Shard::~Shard() { close(); }

// Clients first: they speak to everything else.
void Shard::close() {
    loop_.set_turn_hook({});
    due_tick_.reset();
    is_tick_due_ = true;  // there is nothing left for which a tick could be requested
    server_.reset();
    queue_manager_.reset();
    store_.reset();
}

void Shard::open_store(const MakeStore& make_store) {
    store_ = make_store([this](io::Mailbox::Work work) { mailbox_.post(std::move(work)); });
    queue_manager_ = std::make_unique<outbound::QueueManager>(
        settings_,
        outbound::QueueManager::Ports{
            .store = *store_, .resolver = *resolver_, .connector = connector_},
        outbound::QueueManager::Hooks{
            .now = [this] { return now(); },
            .request_tick = [this] { request_tick(); },
            .make_reports =
                [this](const auto& request) {
                    return report::make_dsns(request,
                                             {.hostname = settings_->hostname,
                                              .postmaster = settings_->postmaster,
                                              .salt = report_salts_()},
                                             [this] { return store_->allocate_id(); });
                },
            .on_event = [this](const auto& event) { events_.send(now(), event); },
            .utc_offset_at = io::utc_offset_at},
        std::random_device{}());
    queue_manager_->set_own_addresses(io::own_addresses());
    server_ = std::make_unique<inbound::Server>(inbound::Services{
        .loop = loop_,
        .clock = clock_,
        .events = events_,
        .intake = {.store = *store_,
                   .on_message =
                       [this](auto message, std::string_view source) {
                           events_.send(now(), events::Received{message, std::string(source)});
                           queue_manager_->accept(std::move(message));
                       },
                   .on_lost_message = [this](auto id) { queue_manager_->forget(id); }},
        .on_wake = [this](const std::string& domain, bool is_tree) {
            return queue_manager_->wake(domain, is_tree);
        }});
}

void Shard::load(std::function<void(std::size_t messages)> on_loaded) {
    store_->load([this, on_loaded = std::move(on_loaded)](
                     const std::vector<queue::QueuedMessage>& batch, bool last) {
        for (const auto& message : batch) queue_manager_->load(message);
        loaded_ += batch.size();
        if (!last) return;
        is_loaded_ = true;
        on_loaded(loaded_);
    });
}

std::expected<void, Shard::Problems> Shard::listen() { return server_->configure(settings_); }

std::expected<void, Shard::Problems> Shard::reload(SettingsPtr settings) {
    if (auto result = server_->configure(settings); !result) return result;
    settings_ = std::move(settings);
    log_.set_least(settings_->log.level);
    dns_->reconfigure(cares_options(*settings_));
    resolver_->forget_answers();
    io::reread_time_zone();
    queue_manager_->set_own_addresses(io::own_addresses());
    queue_manager_->reload(settings_);
    return {};
}

void Shard::drain(Millis patience) {
    is_draining_ = true;
    drain_timer_.set(patience);
    server_->shutdown();
    queue_manager_->drain();
    request_tick();
}

// The store writes everything that it was asked for before it is destroyed.
void Shard::stop() {
    queue_manager_->cut();
    loop_.stop();
}

void Shard::stop_if_drained() {
    if (server_->is_idle() && queue_manager_->is_idle()) loop_.stop();
}

void Shard::request_tick() {
    if (std::exchange(is_tick_due_, true)) return;
    loop_.at_turn_end(due_tick_.guard([this] { tick(); }));
}

void Shard::tick() {
    is_tick_due_ = false;
    queue_manager_->tick();
    if (const auto next = queue_manager_->next_wakeup()) {
        tick_timer_.set(*next - now());
    } else {
        tick_timer_.clear();
    }
}

// One line a minute is enough to find the name server: it will go on.
void Shard::log_broken_records(const dns::Answer& answer) {
    ++broken_answers_;
    if (now() < next_broken_records_line_) return;
    next_broken_records_line_ = now() + broken_records_line_interval;
    report(events::BrokenRecords{answer.dropped, answer.dropped_words,
                                 std::exchange(broken_answers_, 0)});
}

void Shard::look_at_the_clock() {
    idle_memory_.look();
    const auto leap = clock_.follow_leap();
    if (leap == Millis{0}) return;
    report(events::ClockLeapt{leap});
    request_tick();
}

}  // namespace mta::daemon
