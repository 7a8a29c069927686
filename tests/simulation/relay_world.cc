// The relay's process, and the incoming mail.
#include "tests/simulation/relay_world.h"

#include <gtest/gtest.h>

#include "tests/simulation/relay_rules.h"

namespace simulation {

using namespace mta::outbound;

RelayWorld::RelayWorld(std::uint64_t seed, Scale scale)
    : scale_(scale), rng_(seed), names_seed_(seed), disk_(std::make_unique<FakeDisk>()) {
    settings_.hostname = "relay.office.example";
    settings_.delivery.connections_max = scale.is_large() ? 100 : 12;
    settings_.delivery.connections_per_destination_max = 4;
    settings_.delivery.messages_per_connection_max = 5;
    settings_.delivery.recipients_per_transaction_max = 3;
    settings_.delivery.memory_bytes_max = chance(50) ? 256'000'000 : 20'000;
    const Millis lifetimes[] = {6h, 24h, 5 * 24h};
    settings_.retry.lifetime = lifetimes[pick(3)];
    settings_.retry.bounce_lifetime = std::min<Millis>(settings_.retry.lifetime, 2 * 24h);
    settings_.routes = {{.domain = "branch.example",
                         .hosts = {{"10.0.0.1", 25}},
                         .lifetime = settings_.retry.lifetime * 2}};
    settings_.relay.domains = {"branch.example"};
    has_rates_ = chance(50);
    settings_.sites = site_rules();
    if (chance(50)) add_sources();
    make_servers();
    make_wire_names();
    make_plain_servers();
    // The branch can be reached at these hours only.
    settings_.routes[0].deliver_between = invent_hours();
}

// All mail is sent from two addresses.
void RelayWorld::add_sources() {
    for (const auto* name : {"127.0.0.2", "127.0.0.3"}) {
        settings_.sources.push_back({.name = name,
                                     .pool = "office",
                                     .v4 = mta::IpAddress::parse(name),
                                     .v6 = {},
                                     .ehlo = "mail.office.example",
                                     .senders = {"*"}});
    }
}

void RelayWorld::start() {
    ++life_;
    nothing_tried_before_ = agenda_.now();
    recent_.clear();
    former_.clear();
    circuits_.start(agenda_.now(), hints_);
    queue::segment_log::LogOptions options;
    options.segment_bytes = scale_.is_large() ? 4u << 20 : 256u << 10;
    options.batch_bytes_max = 128u << 10;
    options.zero_ahead_bytes = 4096;
    options.free_segments_max = 2;
    options.random_seed = rng_();
    auto opened = queue::segment_log::LogService::open(
        *disk_, options, queue::segment_log::LogService::Mode::steps,
        [](const std::string& text) { FAIL() << text; });
    ASSERT_TRUE(opened) << opened.error().text;
    service_ = std::move(*opened);
    EXPECT_TRUE(service_->report().damages.empty());
    store_ = service_->make_store([this, life = life_](std::move_only_function<void()> work) {
        agenda_.later(0ms, [this, life, work = std::move(work)]() mutable {
            if (life == life_ && store_) work();
        });
    });
    dns_ = std::make_unique<WireDns>(agenda_, names_, names_seed_ + life_, &resolver_);
    dns_->on_ask = [this](const std::string& name) { note_tried(name); };
    manager_ = std::make_unique<QueueManager>(
        std::make_shared<const conf::Settings>(settings_),
        QueueManager::Ports{*store_, *dns_, connector_},
        QueueManager::Hooks{.now = [this] { return agenda_.now(); },
                            .request_tick = [this] { is_tick_requested_ = true; },
                            .make_reports = [this](const auto& request) { return report(request); },
                            .on_event = [this](const auto& event) { note(event); }},
        rng_());
    manager_->restore(hints_);
    is_loaded_ = false;
    loaded_.clear();
    loaded_reports_.clear();
    down_.clear();
    // The next process does not try at once what was down.
    for (const auto& hint : hints_)
        if (hint.trouble && hint.key.contains("mx1.dead.example")) down_.insert("dead.example");
    store_->load([this](const std::vector<queue::QueuedMessage>& batch, bool last) {
        for (const auto& message : batch) {
            check_loaded(message);
            manager_->load(message);
        }
        if (!last) return;
        is_loaded_ = true;
        std::erase_if(held_, [this](const Key& key) { return !loaded_.contains(key); });
        for (const auto& [key, fate] : fates_) {
            if (fate.is_acknowledged && !fate.is_settled() && !loaded_.contains(key)) {
                bool is_being_reported = false;
                for (const auto id : loaded_reports_)
                    for (const auto& each : reported_by_[id]) is_being_reported |= each == key;
                EXPECT_TRUE(is_being_reported)
                    << "message " << key.first << " was acknowledged and is lost for recipient "
                    << key.second;
            }
        }
    });
    schedule_log_turn();
}

void RelayWorld::stop() {
    if (manager_) hints_ = manager_->hints();
    manager_.reset();
    dns_.reset();
    store_.reset();
    service_.reset();
    ++life_;
}

// The process dies, and unsynced writes are lost in one way or another.
void RelayWorld::crash() {
    if (!manager_) return;
    const FakeDisk::Cut cuts[] = {FakeDisk::Cut::nothing_unsynced, FakeDisk::Cut::in_order,
                                  FakeDisk::Cut::everything_unsynced, FakeDisk::Cut::at_random};
    auto left = disk_->after_power_cut(rng_(), cuts[pick(4)]);
    crashed_at_ = agenda_.now();
    stop();
    disk_ = std::move(left);
    const auto off = chance(50) ? pick_time(10s) : pick_time(chance(80) ? Millis{3h} : off_max);
    off_time_ += off;
    agenda_.later(off, [this] { start(); });
}

// The clock leaps, because the machine booted without one or its time server is wrong. All else
// goes on as before.
void RelayWorld::leap() {
    const auto by = 2min + pick_time(leap_max);
    agenda_.leap(by);
    off_time_ += by;
    nothing_tried_before_ = agenda_.now();
    // These times are compared with the world's clock, so they leap with it.
    start_ += by;
    crashed_at_ += by;
    for (auto& [key, fate] : fates_) {
        if (fate.delivered > 0) fate.last_delivered += by;
        if (fate.ordered_at != Instant{}) fate.ordered_at += by;
    }
    for (auto& [until, settings] : former_) until += by;
    is_tick_requested_ = true;
}

void RelayWorld::restart_in_order() {
    if (!manager_ || !is_loaded_) return;
    manager_->drain();
    const auto life = life_;
    off_time_ += 11s;
    agenda_.later(10s, [this, life] {
        if (life != life_) return;
        crashed_at_ = agenda_.now();
        stop();
        agenda_.later(1s, [this] { start(); });
    });
}

void RelayWorld::schedule_log_turn() {
    if (std::exchange(is_log_turn_planned_, true)) return;
    // A busy disk takes longer, and syncs more at once.
    const auto least = Millis{scale_.is_large() ? 50 : 1};
    agenda_.later(least + pick_time(19ms), [this] {
        is_log_turn_planned_ = false;
        if (service_ && service_->step()) schedule_log_turn();
    });
}

void RelayWorld::turn() {
    for (int rounds = 0; std::exchange(is_tick_requested_, false); ++rounds) {
        ASSERT_LT(rounds, 1000) << "the turn does not end";
        if (manager_) manager_->tick();
        if (manager_) circuits_.check(*manager_);
        schedule_log_turn();
    }
}

queue::Requests RelayWorld::invent_requests() {
    queue::Requests requests;
    if (chance(20)) requests.priority = static_cast<std::int8_t>(static_cast<int>(pick(19)) - 9);
    if (chance(10)) requests.release = agenda_.now() + pick_time(request_reach);
    if (chance(15)) {
        requests.deliver_by = {
            .mode = chance(50) ? mta::ByMode::notify : mta::ByMode::give_back,
            .trace = chance(30),
            .at = std::max(agenda_.now(), requests.release) + 1min + pick_time(request_reach)};
    }
    return requests;
}

void RelayWorld::send(int number) {
    if (!manager_ || !is_loaded_) {
        agenda_.later(1h, [this, number] { send(number); });
        return;
    }
    auto message = std::make_shared<queue::Message>();
    message->id = store_->allocate_id();
    message->arrival = agenda_.now();
    if (!chance(5)) message->envelope.reverse_path = senders[pick(senders.size())];
    message->envelope.requests = invent_requests();
    const std::uint8_t notify[] = {queue::notify_unspecified, queue::notify_unspecified,
                                   queue::notify_never, queue::notify_success,
                                   queue::notify_failure | queue::notify_success};
    const auto recipients = scale_.is_large() ? 1 : 1 + static_cast<int>(pick(chance(20) ? 9 : 3));
    for (int i = 0; i < recipients; ++i) {
        const auto domain = pick_domain();
        message->envelope.recipients.push_back(
            {address_of(number, i, domain), domain, notify[pick(5)], {}});
        fates_[{number, i}] = Fate{.domain = domain,
                                   .arrival = agenda_.now(),
                                   .requests = message->envelope.requests,
                                   .off_time_before = off_time_};
    }
    auto body = tag_of(number) + "\r\nSubject: x\r\n\r\n";
    if (chance(10)) body += std::string(1000, 'y') + "\r\n";
    const bool is_large = scale_.is_large() ? pick(1000) == 0 : chance(5);
    if (is_large)
        for (int line = 0; line < 2000; ++line)
            body += ".a line of a large message, one of many\r\n";
    body += "the end\r\n";
    message->facts.size = body.size();
    message->facts.has_leading_dots = is_large;
    message->facts.header_bytes = static_cast<std::uint32_t>(body.find("\r\n\r\n") + 2);
    // A message that was lost in a crash may have had this id.
    number_of_[message->id] = number;
    reported_by_.erase(message->id);
    if (is_large) {
        store_->append_body(message->id, body, [](auto) {});
    } else {
        message->body = std::move(body);
    }
    store_->enqueue(message, [this, number, recipients](queue::StoreResult<void> done) {
        ASSERT_TRUE(done);
        for (int i = 0; i < recipients; ++i) fates_[{number, i}].is_acknowledged = true;
    });
    manager_->accept(message);
    is_tick_requested_ = true;
    if (!scale_.is_large() && chance(3)) agenda_.later(pick_time(2s), [this] { crash(); });
}

std::vector<std::shared_ptr<const queue::Message>> RelayWorld::report(
    const ReportRequest& request) {
    EXPECT_FALSE(request.original.envelope.reverse_path.empty());
    EXPECT_NE(request.head.find("X-Tag: <"), std::string::npos) << "without the body's head";
    if (request.kind == ReportKind::delay) check_notice(request);
    auto made = std::make_shared<queue::Message>();
    made->id = store_->allocate_id();
    made->arrival = agenda_.now();
    made->about = request.original.id;
    made->envelope.recipients.push_back(
        {request.original.envelope.reverse_path, "office.example", queue::notify_never, {}});
    made->body = "Subject: report\r\n\r\n";
    reported_by_.erase(made->id);
    for (const auto& outcome : request.outcomes) {
        const auto& address = request.original.envelope.recipients[outcome.recipient].address;
        if (request.kind != ReportKind::failure) continue;
        made->body += "About: " + address + "\r\n";
        reported_by_[made->id].push_back(key_in(address));
    }
    made->facts.size = made->body.size();
    number_of_.erase(made->id);
    return {made};
}

void RelayWorld::run() {
    start();
    const auto range = static_cast<std::uint64_t>(scale_.messages_max - scale_.messages_min);
    const auto messages = scale_.messages_min + static_cast<int>(pick(range + 1));
    for (int number = 0; number < messages; ++number) {
        const bool is_early = scale_.is_large() && number % 2 == 0;
        agenda_.later(pick_time(is_early ? Millis{10min} : mail_comes_for),
                      [this, number] { send(number); });
    }
    for (auto crashes = pick(5); crashes > 0; --crashes)
        agenda_.later(pick_time(3 * 24h), [this] { crash(); });
    if (chance(50)) agenda_.later(pick_time(3 * 24h), [this] { restart_in_order(); });

    for (auto leaps = chance(30) ? 1 + pick(2) : 0; leaps > 0; --leaps)
        agenda_.later(pick_time(3 * 24h), [this] { leap(); });

    plan_orders();
    agenda_.later(mail_comes_for + settings_.retry.lifetime + 1s, [this] { release_all(); });

    // The end of the longest possible life: a recipient's, then that of its report, and the
    // crashes.
    const auto end = start_ + mail_comes_for + settings_.retry.lifetime * 2 +
                     settings_.retry.bounce_lifetime + request_reach + 4 * 24h;
    while (agenda_.now() < end + off_time_ && !testing::Test::HasFailure()) {
        ASSERT_LT(connector_.last(), connects_max(messages)) << "a storm of connections";
        const auto wakeup = manager_ ? manager_->next_wakeup() : std::nullopt;
        const auto action = agenda_.next();
        if (action && (!wakeup || *action <= *wakeup)) {
            agenda_.run_next();
        } else {
            agenda_.set_now(*wakeup);
            is_tick_requested_ = true;
        }
        turn();
        if (manager_ && pick(scale_.is_large() ? 20'000 : 20) == 0) {
            ASSERT_EQ(manager_->check(), "") << "at " << (agenda_.now() - start_).count() << " ms";
            if (is_loaded_) check_held();
            most_waiting_ = std::max(most_waiting_, manager_->desk().counters().messages);
        }
    }
    if (testing::Test::HasFailure()) return;
    EXPECT_EQ(manager_->desk().counters().messages, 0u) << "something is stuck";
    if (scale_.is_large()) {
        EXPECT_GE(most_waiting_, static_cast<std::size_t>(messages) * 2 / 5)
            << "they were never many at once";
    }
    for (const auto& [key, fate] : fates_) {
        if (!fate.is_acknowledged) continue;
        EXPECT_TRUE(fate.is_settled()) << "message " << key.first << " for recipient " << key.second
                                       << " was neither delivered nor reported";
        EXPECT_TRUE(fate.order != Order::bounce || fate.is_reported)
            << "message " << key.first << " was bounced for recipient " << key.second
            << " and no report was sent";
    }
    // An empty queue is an empty log.
    for (int i = 0; i < 100 && service_->step(); ++i) {
    }
    EXPECT_EQ(connector_.in_use_total, 0u) << "connections are left open";
}

}  // namespace simulation
