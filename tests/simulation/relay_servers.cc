// The DNS, and the servers with their moods.
#include <gtest/gtest.h>

#include "tests/simulation/relay_rules.h"
#include "tests/simulation/relay_world.h"

namespace simulation {

using namespace mta::outbound;

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
    server.on_command = [this, &server](std::size_t connection, const std::string& command) {
        on_command(server, connection, command);
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
    // Two destinations share a host; the second has another one.
    resolver_.set_mx("one.shared.example", {"mx1.shared.example"});
    resolver_.set_mx("two.shared.example", {"mx1.shared.example", "mx1.two.shared.example"});
    resolver_.set_host("mx1.shared.example", {"192.0.2.103"});
    add_server("shared.example", "192.0.2.103");

    for (auto& [endpoint, server] : connector_.servers) make_moody(server);
    make_backup_hosts();
    flap("flap.example", 8h);
    flap("branch.example", 24h);
    flap_dns();
    connector_.on_connect = [this](const std::string& group) { on_connect(group); };
    resolver_.on_ask = [this](const std::string& name) { note_tried(name); };
}

void RelayWorld::make_backup_hosts() {
    std::vector<std::string> hosts;
    const auto healthy = pick(backup_hosts);
    for (std::uint64_t i = 0; i < backup_hosts; ++i) {
        hosts.push_back("mx" + std::to_string(i + 1) + ".backup.example");
        const auto address = "192.0.2." + std::to_string(110 + i);
        resolver_.set_host(hosts.back(), {address});
        auto& server = add_server("backup.example", address);
        if (i == healthy) continue;
        const std::pair<std::string, std::string> refusals[] = {{"CONNECT", "421 4.3.2 not now"},
                                                                {"CONNECT", "554 5.7.1 not you"},
                                                                {"CONNECT", "close"},
                                                                {"EHLO", "421 4.3.2 not now"}};
        const auto& [stage, answer] = refusals[pick(std::size(refusals))];
        server.reply = world::always(stage, answer);
        server.is_refusing = chance(25);
    }
    resolver_.set_mx("backup.example", hosts);
}

void RelayWorld::make_moody(world::Server& server) {
    const auto& group = server.group;
    if (group == "flaky.example" || group == "flap.example")
        server.reply = [this](const std::string& command) { return mood(command); };
    if (group == "dead.example") server.is_refusing = true;
    if (group == "away.example") {
        chance(50) ? server.is_refusing = true : server.is_hanging = true;
        agenda_.later(away_for, [this, &server] {
            server.is_refusing = server.is_hanging = false;
            come_back();
        });
    }
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
    if (group == "poison.example") {
        server.reply = [](const std::string& command) -> std::optional<std::string> {
            const std::string rcpt = "RCPT TO:<";
            if (!command.starts_with(rcpt)) return std::nullopt;
            const auto key = key_in(command.substr(rcpt.size()));
            if (!is_poison(key)) return std::nullopt;
            const std::string breaks[] = {"close", "421 4.3.2 not this one", "hang"};
            return breaks[key.first % 3];
        };
    }
    if (group == "hung.example") {
        const std::string stages[] = {"", "CONNECT", "EHLO", "MAIL"};
        const auto stage = stages[pick(4)];
        server.is_hanging = stage.empty();
        server.reply = [stage](const std::string& command) {
            return command.starts_with(stage) ? std::optional<std::string>("hang") : std::nullopt;
        };
    }
    if (group == "good.example") {
        server.reply = [this](const std::string& command) -> std::optional<std::string> {
            if (command.starts_with("MAIL") && has_rates_ && !was_reloaded_lately())
                count_against("messages", "good.example", message_rate);
            return std::nullopt;
        };
    }
}

// First the relay's own line is down and all mail waits; then every tenth domain is off for a
// while.
void RelayWorld::make_plain_servers() {
    for (int number = 0; number < scale_.plain_domains; ++number) {
        const auto domain = plain_domain(number);
        const auto address =
            "198.18." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1);
        resolver_.set_mx(domain, {"mx1." + domain});
        resolver_.set_host("mx1." + domain, {address});
        auto& server = add_server(domain, address);
        chance(80) ? server.is_refusing = true : server.is_hanging = true;
        const auto off_for = number % 10 == 0 ? pick_time(36h) : Millis{15min};
        agenda_.later(off_for, [&server] { server.is_refusing = server.is_hanging = false; });
    }
}

std::string RelayWorld::pick_domain() {
    if (chance(20)) return wire_domains[pick(wire_domains.size())];
    if (!scale_.is_large() || chance(5)) return domains[pick(domains.size())];
    return plain_domain(static_cast<int>(pick(static_cast<std::uint64_t>(scale_.plain_domains))));
}

std::optional<std::string> RelayWorld::busy(world::Server& server, const std::string& command) {
    if (command != "CONNECT") return std::nullopt;
    if (server.open <= busy_connections_max && !chance(10)) return std::nullopt;
    return "421 4.7.0 too many connections";
}

// Refuses one of the relay's addresses, at one stage or another, but never the last one.
std::optional<std::string> RelayWorld::strict(const world::Server& server,
                                              const std::string& command) {
    const bool is_stage = command == "CONNECT" || command.starts_with("RCPT");
    if (server.client != "127.0.0.2" || !is_stage || !chance(50)) return std::nullopt;
    return "554 5.7.1 your IP is blocked here";
}

// The group is up and down by turns.
void RelayWorld::flap(const std::string& group, Millis period) {
    for (auto& [endpoint, server] : connector_.servers)
        if (server.group == group) server.is_refusing = chance(60);
    agenda_.later(pick_time(period) + 1ms, [this, group, period] { flap(group, period); });
}

// Collects the mail that has waited for away.example and still has enough of its lifetime left, to
// check that it is delivered soon.
void RelayWorld::come_back() {
    for (const auto& [key, fate] : fates_) {
        const auto& by = fate.requests.deliver_by;
        const auto end = std::min(fate.arrival + settings_.retry.lifetime,
                                  by.mode == mta::ByMode::give_back ? by.at : Instant::max());
        if (fate.domain == "away.example" && fate.is_acknowledged && !fate.is_settled() &&
            fate.order == Order::none && fate.requests.release <= agenda_.now() &&
            end > agenda_.now() + 2 * found_within)
            waited_for_away_.insert(key);
    }
    agenda_.later(found_within + 1min,
                  [this, off = off_time_, life = life_] { check_back(off, life); });
}

void RelayWorld::check_back(Millis off_time, std::uint64_t life) {
    // The relay is off, was off for a part of the time, or its clock has leapt. Check again later.
    if (!manager_ || life != life_ || off_time != off_time_) {
        agenda_.later(6h, [this, off = off_time_, life = life_] { check_back(off, life); });
        return;
    }
    const auto back = start_ + away_for;
    for (const auto& key : waited_for_away_) {
        const auto& fate = fates_[key];
        // Mail that its sender wants back in time is returned if the host does not know DELIVERBY.
        const bool is_returned =
            fate.requests.deliver_by.mode == mta::ByMode::give_back && fate.is_settled();
        EXPECT_TRUE(fate.delivered > 0 || is_returned || fate.order != Order::none ||
                    fate.ordered_at >= back)
            << "message " << key.first << " still waits for a domain that has been back for "
            << (agenda_.now() - back).count() << " ms";
    }
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

// A mood is any reply, or a lost connection, at any stage.
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
}  // namespace simulation
