#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/simulation/relay_world.h"

namespace simulation {
namespace {

using namespace mta::outbound;
using queue::RecipientPhase;

constexpr std::size_t connections_max = 12;
constexpr std::size_t connections_per_destination_max = 4;
// Each relay has these or not. One is by domain, one by host, one for a route.
constexpr mta::Rate message_rate{3, 60s};
constexpr mta::Rate connection_rate{6, 3600s};
// A transaction begins this long after it was allowed, the way to the server included.
constexpr Millis way_max = 1s;
constexpr Millis mail_comes_for = 2 * 24h;
// A recipient's end may come this late: the attempt that was under way has its own deadlines.
constexpr Millis attempt_duration_max = 2h;
// FUTURERELEASE and DELIVERBY reach no farther.
constexpr Millis request_reach = 24h;

const std::vector<std::string> domains = {
    "good.example", "flaky.example",  "dead.example",       "hung.example",       "flap.example",
    "dns.example",  "grey.example",   "nowhere.example",    "no.example",         "branch.example",
    "busy.example", "strict.example", "one.shared.example", "two.shared.example",
};
// Of the host that both of the last two lead to.
constexpr std::size_t shared_connections_max = 2;
// More connections than this busy.example turns away.
constexpr std::size_t busy_connections_max = 2;

std::string tag_of(int number) { return "X-Tag: <" + std::to_string(number) + ">"; }

int number_in(const std::string& body) {
    const auto begin = body.find("X-Tag: <");
    return begin == std::string::npos ? -1 : std::stoi(body.substr(begin + 8));
}

std::string address_of(int number, int recipient, const std::string& domain) {
    return "u" + std::to_string(number) + "x" + std::to_string(recipient) + "@" + domain;
}
std::pair<int, int> key_in(const std::string& address) {
    const auto middle = address.find('x');
    return {std::stoi(address.substr(1)), std::stoi(address.substr(middle + 1))};
}

}  // namespace

RelayWorld::RelayWorld(std::uint64_t seed) : rng_(seed), disk_(std::make_unique<FakeDisk>()) {
    settings_.hostname = "relay.office.example";
    settings_.delivery.connections_max = connections_max;
    settings_.delivery.connections_per_destination_max = connections_per_destination_max;
    settings_.delivery.messages_per_connection_max = 5;
    settings_.delivery.recipients_per_transaction_max = 3;
    settings_.delivery.memory_bytes_max = chance(50) ? 256'000'000 : 20'000;
    const Millis lifetimes[] = {6h, 24h, 5 * 24h};
    settings_.retry.lifetime = lifetimes[pick(3)];
    settings_.retry.bounce_lifetime = std::min<Millis>(settings_.retry.lifetime, 2 * 24h);
    settings_.routes = {{.domain = "branch.example",
                         .hosts = {{"10.0.0.1", 25}},
                         .lifetime = settings_.retry.lifetime * 2}};
    settings_.sites = {
        {.match = {"mx1.shared.example"}, .connections_max = shared_connections_max}};
    has_rates_ = chance(50);
    if (has_rates_) limit_rates();
    if (chance(50)) add_sources();
    make_servers();
    // The branch's line is there at these hours only.
    if (chance(40))
        settings_.routes[0].deliver_between = {{22 * 60, 6 * 60}, {12 * 60, 12 * 60 + 30}};
}

// All mail comes from two addresses.
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

void RelayWorld::limit_rates() {
    settings_.sites.resize(4);
    settings_.sites[1].match = {"good.example"};
    settings_.sites[1].message_rate = message_rate;
    settings_.sites[2].match = {".flaky.example", "10.0.0.1"};
    settings_.sites[2].connection_rate = connection_rate;
    settings_.sites[3].match = {"*"};
    settings_.sites[3].recipients_per_transaction_max = 2;
}

// ---- The invented world ----

world::Server& RelayWorld::add_server(const std::string& group, const std::string& address) {
    auto& server =
        connector_.servers[mta::to_string(mta::Endpoint{*mta::IpAddress::parse(address), 25})];
    server.group = group;
    server.latency = Millis{1 + static_cast<std::int64_t>(pick(80))};
    if (chance(30)) server.extensions.clear();
    if (chance(50)) server.extensions.push_back("DSN");
    if (chance(50)) server.extensions.push_back("MT-PRIORITY");
    if (chance(50)) server.extensions.push_back("DELIVERBY 60");
    server.on_received = [this, &server](const world::Received& received) {
        on_received(server, received);
    };
    return server;
}

void RelayWorld::make_servers() {
    int number = 0;
    for (const auto& domain : domains) {
        if (domain == "nowhere.example" || domain == "branch.example") continue;
        const auto host = "mx1." + domain;
        const auto address = "192.0.2." + std::to_string(++number);
        resolver_.set_mx(domain, {host});
        resolver_.set_host(host, {address});
        add_server(domain, address);
    }
    resolver_.set_mx("office.example", {"mx1.office.example"});
    resolver_.set_host("mx1.office.example", {"192.0.2.100"});
    add_server("office.example", "192.0.2.100");
    resolver_.set_mx("flaky.example", {"mx1.flaky.example", "mx2.flaky.example"});
    resolver_.set_host("mx2.flaky.example", {"192.0.2.101", "192.0.2.102"});
    for (const auto* address : {"192.0.2.101", "192.0.2.102"}) add_server("flaky.example", address);
    add_server("branch.example", "10.0.0.1");
    // Two destinations, one of them with a host more, that share a host.
    resolver_.set_mx("one.shared.example", {"mx1.shared.example"});
    resolver_.set_mx("two.shared.example", {"mx1.shared.example", "mx1.two.shared.example"});
    resolver_.set_host("mx1.shared.example", {"192.0.2.103"});
    add_server("shared.example", "192.0.2.103");

    for (auto& [endpoint, server] : connector_.servers) {
        const auto& group = server.group;
        if (group == "flaky.example" || group == "flap.example")
            server.reply = [this](const std::string& command) { return mood(command); };
        if (group == "dead.example") server.is_refusing = true;
        if (group == "busy.example")
            server.reply = [this, &server](const std::string& command) {
                return busy(server, command);
            };
        if (group == "strict.example")
            server.reply = [this, &server](const std::string& command) {
                return strict(server, command);
            };
        if (group == "grey.example")
            server.reply = [this](const std::string& command) { return greylist(command); };
        if (group == "no.example") {
            server.reply = [](const std::string& command) {
                return command.starts_with("RCPT") ? std::optional<std::string>("550 5.1.1 no")
                                                   : std::nullopt;
            };
        }
        if (group == "hung.example") {
            const std::string stages[] = {"", "CONNECT", "EHLO", "MAIL"};
            const auto stage = stages[pick(4)];
            server.is_hanging = stage.empty();
            server.reply = [stage](const std::string& command) {
                return command.starts_with(stage) ? std::optional<std::string>("hang")
                                                  : std::nullopt;
            };
        }
    }
    for (auto& [endpoint, server] : connector_.servers) {
        if (server.group != "good.example" || !has_rates_) continue;
        server.reply = [this](const std::string& command) -> std::optional<std::string> {
            if (command.starts_with("MAIL"))
                count_against("messages", "good.example", message_rate);
            return std::nullopt;
        };
    }
    flap("flap.example", 8h);
    flap("branch.example", 24h);
    flap_dns();
    connector_.on_connect = [this](const std::string& group) { on_connect(group); };
}

std::optional<std::string> RelayWorld::busy(world::Server& server, const std::string& command) {
    if (command != "CONNECT") return std::nullopt;
    if (server.open <= busy_connections_max && !chance(10)) return std::nullopt;
    return "421 4.7.0 too many connections";
}

// Refuses one of our addresses, at one stage or another; but the last that is left.
std::optional<std::string> RelayWorld::strict(const world::Server& server,
                                              const std::string& command) {
    const bool is_stage = command == "CONNECT" || command.starts_with("RCPT");
    if (server.client != "127.0.0.2" || !is_stage || !chance(50)) return std::nullopt;
    return "554 5.7.1 your IP is blocked here";
}

// Up and down by turns.
void RelayWorld::flap(const std::string& group, Millis period) {
    for (auto& [endpoint, server] : connector_.servers)
        if (server.group == group) server.is_refusing = chance(60);
    agenda_.later(pick_time(period) + 1ms, [this, group, period] { flap(group, period); });
}

void RelayWorld::flap_dns() {
    using Kind = dns::LookupError::Kind;
    const Kind troubles[] = {Kind::server_failure, Kind::refused, Kind::timed_out, Kind::malformed};
    if (chance(60)) {
        resolver_.mx["dns.example"] = world::FakeResolver::error("trouble", troubles[pick(4)]);
    } else {
        resolver_.set_mx("dns.example", {"mx1.dns.example"});
    }
    if (chance(50)) {
        resolver_.hosts["mx1.dns.example"] =
            std::unexpected(dns::LookupError{troubles[pick(4)], "trouble"});
    } else {
        resolver_.set_host("mx1.dns.example", {"192.0.2.6"});
    }
    agenda_.later(pick_time(8h) + 1ms, [this] { flap_dns(); });
}

// Anything can happen at any stage.
std::optional<std::string> RelayWorld::mood(const std::string& command) {
    const auto dice = pick(1000);
    const bool is_dot = command == ".";
    if (dice < 20) return is_dot && chance(50) ? "take and close" : "close";
    if (dice < 30) return is_dot && chance(50) ? "take and hang" : "hang";
    if (dice < 50) return "421 4.3.2 not now";
    if (dice < 100) return "451 4.3.0 later";
    if (dice < 110 && command != "QUIT") return "554 5.7.1 never";
    if (dice < 112) return "what?";
    return std::nullopt;
}

std::optional<std::string> RelayWorld::greylist(const std::string& command) {
    if (!command.starts_with("RCPT")) return std::nullopt;
    if (++grey_tries_[command] > 2) return std::nullopt;
    return "450 4.7.1 greylisted, try again in 300 seconds";
}

// What the sender had asked for has gone along where it is known, and was minded where it is not.
void RelayWorld::check_requests(const world::Server& server, const world::Received& received,
                                const Fate& fate) const {
    const auto offers = [&](const std::string& extension) {
        return std::ranges::find(server.extensions, extension) != server.extensions.end();
    };
    // One with moods may have refused EHLO, and then offers nothing.
    const bool may_know_helo_only = server.reply != nullptr;
    const auto expect_said = [&](bool is_said, bool is_due) {
        EXPECT_TRUE(is_said == is_due || (may_know_helo_only && !is_said)) << received.sender;
    };
    const auto& requests = fate.requests;
    EXPECT_GE(agenda_.now(), requests.release) << "it was to be released later";
    const auto priority = requests.priority;
    expect_said(received.sender.contains(" MT-PRIORITY=" + std::to_string(priority)),
                offers("MT-PRIORITY") && priority != 0);
    const auto& by = requests.deliver_by;
    const auto place = received.sender.find(" BY=");
    const bool is_by_said = place != std::string::npos;
    expect_said(is_by_said, offers("DELIVERBY 60") && by.mode != mta::ByMode::none);
    EXPECT_TRUE(by.mode != mta::ByMode::give_back || is_by_said)
        << "it went to one who does not mind the time";
    if (!is_by_said) return;
    const auto seconds = std::stoi(received.sender.substr(place + 4));
    const auto left = std::chrono::floor<std::chrono::seconds>(by.at - agenda_.now()).count();
    EXPECT_GE(seconds, left);
    EXPECT_LE(seconds, std::chrono::ceil<std::chrono::seconds>(by.at - fate.arrival).count());
    EXPECT_TRUE(by.mode != mta::ByMode::give_back || seconds >= 60) << seconds;
}

void RelayWorld::on_received(const world::Server& server, const world::Received& received) {
    if (server.group == "office.example") {
        // A report names those whom it is about.
        for (auto at = received.body.find("About: "); at != std::string::npos;
             at = received.body.find("About: ", at + 1))
            fates_[key_in(received.body.substr(at + 7))].is_reported = true;
        return;
    }
    // All recipients were refused and the server said 354 all the same: a lone dot.
    if (received.recipients.empty() && received.body.empty()) return;
    const auto number = number_in(received.body);
    ASSERT_GE(number, 0) << "a body came that nobody sent: " << received.body.substr(0, 200);
    ASSERT_TRUE(received.body.ends_with("the end\r\n")) << "half a message was delivered";
    for (const auto& address : received.recipients) {
        ASSERT_EQ(key_in(address).first, number) << "recipients and body do not belong together";
        auto& fate = fates_[key_in(address)];
        check_requests(server, received, fate);
        ++fate.delivered;
        fate.last_delivered = agenda_.now();
        EXPECT_LE(fate.delivered, 1 + fate.in_doubt + fate.lost_in_crash)
            << address << " got it twice without a doubt or a crash";
    }
}

void RelayWorld::on_connect(const std::string& group) {
    EXPECT_LT(connector_.in_use_total, connections_max) << "too many connections in all";
    EXPECT_LT(connector_.in_use[group], connections_per_destination_max)
        << "too many connections to " << group;
    const auto& hours = settings_.routes[0].deliver_between;
    if (group == "branch.example" && !hours.empty()) {
        EXPECT_TRUE(mta::look_at(hours, agenda_.now(), nullptr).is_open) << "out of its hours";
    }
    if (group == "shared.example") {
        EXPECT_LT(connector_.in_use[group], shared_connections_max)
            << "too many connections to a host that two destinations share";
    }
    const bool is_rated = group == "flaky.example" || group == "branch.example";
    if (is_rated && has_rates_) count_against("connections", group, connection_rate);
    // Nobody had mail for it and it was forgotten: what comes now is no probe.
    if (group == "dead.example" && agenda_.now() - last_probe_ >= 2h) down_.erase(group);
    if (group == "dead.example" && down_.contains(group)) {
        EXPECT_GE(agenda_.now() - last_probe_, 13s) << "probed more than once at a time";
        last_probe_ = agenda_.now();
    }
}

void RelayWorld::count_against(const std::string& what, const std::string& group, mta::Rate rate) {
    auto& recent = recent_[what + " " + group];
    recent.push_back(agenda_.now());
    while (recent.front() <= agenda_.now() - (rate.period - way_max)) recent.pop_front();
    EXPECT_LE(recent.size(), rate.count) << "too many " << what << " to " << group;
}

// ---- The relay's process ----

void RelayWorld::start() {
    ++life_;
    recent_.clear();
    queue::log::LogOptions options;
    options.segment_bytes = 256u << 10;
    options.batch_bytes_max = 128u << 10;
    options.zero_ahead_bytes = 4096;
    options.free_segments_max = 2;
    options.random_seed = rng_();
    auto opened = queue::log::LogService::open(*disk_, options, queue::log::LogService::Mode::steps,
                                               [](const std::string& text) { FAIL() << text; });
    ASSERT_TRUE(opened) << opened.error().text;
    service_ = std::move(*opened);
    EXPECT_TRUE(service_->report().damages.empty());
    store_ = service_->make_store([this, life = life_](std::move_only_function<void()> work) {
        agenda_.later(0ms, [this, life, work = std::move(work)]() mutable {
            if (life == life_ && store_) work();
        });
    });
    manager_ = std::make_unique<QueueManager>(
        std::make_shared<const conf::Settings>(settings_),
        QueueManager::Ports{*store_, resolver_, connector_},
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
    // What was down is not tried at once by the next process.
    for (const auto& hint : hints_)
        if (hint.key.contains("mx1.dead.example")) down_.insert("dead.example");
    store_->load([this](const std::vector<queue::QueuedMessage>& batch, bool last) {
        for (const auto& message : batch) {
            check_loaded(message);
            manager_->load(message);
        }
        if (!last) return;
        is_loaded_ = true;
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

void RelayWorld::check_loaded(const queue::QueuedMessage& message) {
    const auto number = number_of_.find(message.id);
    if (number == number_of_.end()) {
        loaded_reports_.insert(message.id);
        return;
    }
    EXPECT_EQ(message.requests, (fates_[{number->second, 0}].requests));
    for (std::size_t i = 0; i < message.recipients.size(); ++i) {
        const auto& recipient = message.recipients[i];
        const auto& state = recipient.state;
        const std::pair key(number->second, static_cast<int>(i));
        loaded_.insert(key);
        if (recipient.domain == "dead.example") {
            EXPECT_EQ(state.attempts, 0) << "charged for a host that is down";
        }
        auto& fate = fates_[key];
        if (!state.is_open() || fate.delivered == 0) continue;
        if (fate.delivered <= fate.in_doubt + fate.lost_in_crash) continue;
        // Its end was not on disk yet: it was delivered just before the crash, or the relay still
        // waited for the reply.
        const bool may_have_waited =
            recipient.domain == "flaky.example" || recipient.domain == "flap.example";
        const Millis recent = may_have_waited ? settings_.delivery.final_dot_timeout + 1min : 2s;
        EXPECT_GE(fate.last_delivered, crashed_at_ - recent)
            << "message " << key.first << " for recipient " << key.second
            << " had been delivered long before the crash";
        ++fate.lost_in_crash;
    }
}

void RelayWorld::stop() {
    if (manager_) hints_ = manager_->hints();
    manager_.reset();
    store_.reset();
    service_.reset();
    ++life_;
}

// The process dies; what was not synced is lost in one way or another.
void RelayWorld::crash() {
    if (!manager_) return;
    const FakeDisk::Cut cuts[] = {FakeDisk::Cut::nothing_unsynced, FakeDisk::Cut::in_order,
                                  FakeDisk::Cut::everything_unsynced, FakeDisk::Cut::at_random};
    auto left = disk_->after_power_cut(rng_(), cuts[pick(4)]);
    crashed_at_ = agenda_.now();
    stop();
    disk_ = std::move(left);
    const auto off = chance(50) ? pick_time(10s) : pick_time(3h);
    off_time_ += off;
    agenda_.later(off, [this] { start(); });
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
    agenda_.later(Millis{1 + static_cast<std::int64_t>(pick(20))}, [this] {
        is_log_turn_planned_ = false;
        if (service_ && service_->step()) schedule_log_turn();
    });
}

void RelayWorld::turn() {
    for (int rounds = 0; std::exchange(is_tick_requested_, false); ++rounds) {
        ASSERT_LT(rounds, 1000) << "the turn does not end";
        if (manager_) manager_->tick();
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
    if (!chance(5)) message->envelope.reverse_path = "ann@office.example";
    message->envelope.requests = invent_requests();
    const std::uint8_t notify[] = {queue::notify_unspecified, queue::notify_unspecified,
                                   queue::notify_never, queue::notify_success,
                                   queue::notify_failure | queue::notify_success};
    const auto recipients = 1 + static_cast<int>(pick(chance(20) ? 9 : 3));
    for (int i = 0; i < recipients; ++i) {
        const auto& domain = domains[pick(domains.size())];
        message->envelope.recipients.push_back(
            {address_of(number, i, domain), domain, notify[pick(5)], {}});
        fates_[{number, i}] =
            Fate{.arrival = agenda_.now(), .requests = message->envelope.requests};
    }
    auto body = tag_of(number) + "\r\nSubject: x\r\n\r\n";
    if (chance(10)) body += std::string(1000, 'y') + "\r\n";
    const bool is_large = chance(5);
    if (is_large)
        for (int line = 0; line < 2000; ++line)
            body += ".a line of a large message, one of many\r\n";
    body += "the end\r\n";
    message->facts.size = body.size();
    message->facts.has_leading_dots = is_large;
    message->facts.header_bytes = static_cast<std::uint32_t>(body.find("\r\n\r\n") + 2);
    // What a crash swallowed may have had this id.
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
    if (chance(3)) agenda_.later(pick_time(2s), [this] { crash(); });
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

// One for all, and then for hours none; what a crash makes the relay forget may be said again.
void RelayWorld::check_notice(const ReportRequest& request) {
    const auto& sender = request.original.envelope.reverse_path;
    const auto& by = request.original.envelope.requests.deliver_by;
    const mta::EnhancedStatus too_late{4, 4, 7};
    if (by.mode == mta::ByMode::notify && request.outcomes.front().error.status == too_late) {
        EXPECT_GE(agenda_.now(), by.at) << "it was asked for at a time, and comes earlier";
        return;
    }
    auto& last = last_notice_[sender];
    if (last.life == life_) {
        // The reading of what it tells of takes its time.
        EXPECT_GE(agenda_.now() - last.when + 10s, settings_.retry.delay_notices.front())
            << "too many notices for " << sender;
    }
    last = {life_, agenda_.now()};
    std::set<queue::MessageId> told = {request.original.id};
    for (const auto& other : request.also) {
        EXPECT_EQ(other.message->envelope.reverse_path, sender);
        EXPECT_FALSE(other.outcomes.empty());
        EXPECT_TRUE(told.insert(other.message->id).second) << "told of twice in one notice";
    }
}

void RelayWorld::settle_report(queue::MessageId report) {
    for (const auto& key : reported_by_[report]) fates_[key].is_reported = true;
}

void RelayWorld::note(const DeliveryEvent& event) {
    const auto fate_of = [this](const RecipientRef& recipient) -> Fate* {
        const auto number = number_of_.find(recipient.id);
        if (number == number_of_.end()) return nullptr;
        return &fates_[{number->second, static_cast<int>(recipient.recipient)}];
    };
    if (const auto* failed = std::get_if<Failed>(&event)) {
        const auto* const fate = fate_of(failed->recipient);
        const bool had_to_be_in_time =
            fate != nullptr && fate->requests.deliver_by.mode == mta::ByMode::give_back;
        EXPECT_TRUE(failed->recipient.domain != "strict.example" || had_to_be_in_time)
            << "another source could have taken over";
    }
    if (const auto* doubt = std::get_if<InDoubt>(&event)) {
        if (auto* fate = fate_of(doubt->recipient)) ++fate->in_doubt;
    } else if (const auto* dropped = std::get_if<ReportDropped>(&event)) {
        EXPECT_NE(dropped->reason, ReportDropped::Reason::not_made);
        if (auto* fate = fate_of(dropped->recipient)) {
            fate->is_reported = true;
        } else {
            settle_report(dropped->recipient.id);
        }
    } else if (const auto* deferred = std::get_if<Deferred>(&event)) {
        EXPECT_NE(deferred->recipient.domain, "dead.example") << "charged for a host's failure";
    } else if (const auto* expired = std::get_if<Expired>(&event)) {
        auto* fate = fate_of(expired->recipient);
        if (fate == nullptr) return;
        const auto lifetime = expired->recipient.domain == "branch.example"
                                  ? settings_.retry.lifetime * 2
                                  : settings_.retry.lifetime;
        const auto& requests = fate->requests;
        const auto begin = std::max(fate->arrival, requests.release);
        auto earliest = begin + std::min(lifetime, settings_.retry.bounce_lifetime);
        auto latest = begin + lifetime;
        if (requests.deliver_by.mode == mta::ByMode::give_back) {
            earliest = std::min(earliest, requests.deliver_by.at);
            latest = std::min(latest, requests.deliver_by.at);
            EXPECT_TRUE(agenda_.now() < requests.deliver_by.at ||
                        to_string(expired->last_error.status) == "5.4.7");
        }
        EXPECT_LE(agenda_.now(), latest + attempt_duration_max + off_time_) << "expired late";
        EXPECT_GE(agenda_.now(), earliest) << "expired early";
    } else if (const auto* unreadable = std::get_if<Unreadable>(&event)) {
        ADD_FAILURE() << "message " << unreadable->id
                      << " is unreadable: " << unreadable->error.text;
    } else if (const auto* down = std::get_if<DestinationDown>(&event)) {
        EXPECT_FALSE(down->destination.contains("busy.example")) << "one too many is no failure";
        EXPECT_FALSE(down->destination.contains("strict.example"));
        for (const auto& domain : domains)
            if (down->destination.contains("mx1." + domain)) down_.insert(domain);
    } else if (const auto* up = std::get_if<DestinationUp>(&event)) {
        for (const auto& domain : domains)
            if (up->destination.contains("mx1." + domain)) down_.erase(domain);
    }
}

void RelayWorld::run() {
    start();
    messages_ = 20 + static_cast<int>(pick(60));
    for (int number = 0; number < messages_; ++number)
        agenda_.later(pick_time(mail_comes_for), [this, number] { send(number); });
    for (auto crashes = pick(5); crashes > 0; --crashes)
        agenda_.later(pick_time(3 * 24h), [this] { crash(); });
    if (chance(50)) agenda_.later(pick_time(3 * 24h), [this] { restart_in_order(); });

    // A report about a recipient of the longest life, with all its own life, and the crashes.
    const auto end = start_ + mail_comes_for + settings_.retry.lifetime * 2 +
                     settings_.retry.bounce_lifetime + request_reach + 4 * 24h;
    while (agenda_.now() < end && !testing::Test::HasFailure()) {
        const auto wakeup = manager_ ? manager_->next_wakeup() : std::nullopt;
        const auto action = agenda_.next();
        if (action && (!wakeup || *action <= *wakeup)) {
            agenda_.run_next();
        } else {
            agenda_.set_now(*wakeup);
            is_tick_requested_ = true;
        }
        turn();
        if (manager_ && pick(20) == 0) {
            ASSERT_EQ(manager_->check(), "") << "at " << (agenda_.now() - start_).count() << " ms";
        }
    }
    if (testing::Test::HasFailure()) return;
    EXPECT_EQ(manager_->counters().messages, 0u) << "something is stuck";
    for (const auto& [key, fate] : fates_) {
        if (!fate.is_acknowledged) continue;
        EXPECT_TRUE(fate.is_settled()) << "message " << key.first << " for recipient " << key.second
                                       << " was neither delivered nor reported";
    }
    // An empty queue is an empty log.
    for (int i = 0; i < 100 && service_->step(); ++i) {
    }
    EXPECT_EQ(connector_.in_use_total, 0u) << "connections are left open";
}

namespace {

std::vector<std::uint64_t> seeds() {
    if (const auto* seed = std::getenv("SEED")) return {std::strtoull(seed, nullptr, 10)};
    std::uint64_t count = 200;
    if (const auto* wanted = std::getenv("SEEDS")) count = std::strtoull(wanted, nullptr, 10);
    std::vector<std::uint64_t> all;
    for (std::uint64_t seed = 1; seed <= count; ++seed) all.push_back(seed);
    return all;
}

// Replay one with SEED=n, run more with SEEDS=n.
TEST(Simulation, every_message_ends_once_whatever_happens) {
    for (const auto seed : seeds()) {
        SCOPED_TRACE("replay with SEED=" + std::to_string(seed));
        RelayWorld world(seed);
        world.run();
        if (HasFailure()) {
            std::fprintf(stderr, "failed with SEED=%llu\n", static_cast<unsigned long long>(seed));
            return;
        }
    }
}

}  // namespace
}  // namespace simulation
