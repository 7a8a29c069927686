// What every relay of the simulation has in common: its limits, and the domains of its world.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/rate.h"
#include "mta/base/time.h"

namespace simulation {

using namespace std::chrono_literals;
using mta::Instant;
using mta::Millis;

// Each relay has these or not. One is by domain, one by host, one for a route.
inline constexpr mta::Rate message_rate{3, 60s};
inline constexpr mta::Rate connection_rate{6, 3600s};
// A transaction begins this long after it was allowed, the way to the server included.
inline constexpr Millis way_max = 1s;
inline constexpr Millis mail_comes_for = 2 * 24h;
// away.example is off for so long from the beginning; then a probe finds it: at the longest
// interval between two, with its jitter, and after the one before has waited for a greeting.
inline constexpr Millis away_for = 4 * 24h;
inline constexpr Millis found_within = 1h + 6min + 6min;
// A recipient's end may come this late: the attempt that was under way has its own deadlines.
inline constexpr Millis attempt_duration_max = 2h;
// So long after an order that names it mail may go out of its hours: the order's own hour
// (DeliveryHours::order_max), and the attempts that have begun then.
inline constexpr Millis named_max = 1h + attempt_duration_max;
// Far more than any of these worlds takes.
inline std::uint64_t connects_max(int messages) {
    return 50'000 + 10 * static_cast<std::uint64_t>(messages);
}
// The relay is off for so long at most, and its clock leaps so far.
inline constexpr Millis off_max = 6 * 24h;
inline constexpr Millis leap_max = 10 * 24h;
// FUTURERELEASE and DELIVERBY reach no farther.
inline constexpr Millis request_reach = 24h;

inline const std::vector<std::string> domains = {
    "good.example",   "flaky.example",      "dead.example",       "hung.example",
    "flap.example",   "dns.example",        "grey.example",       "nowhere.example",
    "no.example",     "branch.example",     "busy.example",       "strict.example",
    "away.example",   "one.shared.example", "two.shared.example", "backup.example",
    "poison.example",
};
// Their name servers answer in bytes, and err. Worlds with much mail do without.
inline const std::vector<std::string> wire_domains = {
    "records.example", "alias.example", "bare.example", "rubbish.example", "outage.example"};
inline const std::vector<std::string> senders = {"ann@office.example", "ben@office.example",
                                                 "list@office.example", "news@office.example"};
// Of the host that both of the last two lead to.
inline constexpr std::size_t shared_connections_max = 2;
// More connections than this busy.example turns away.
inline constexpr std::size_t busy_connections_max = 2;

// Of backup.example: all but one turn us away before EHLO is answered.
inline constexpr int backup_hosts = 8;
// poison.example breaks the session at the mailbox of some, whoever else is in the message.
inline bool is_poison(std::pair<int, int> key) { return (key.first + key.second) % 5 == 0; }
// Mail that has a working host is there after this, while the relay runs and nobody orders
// otherwise: some probes, the retry of what shared a message with poison, and turns at the few
// connections that the silent ones leave.
inline constexpr Millis delivered_within = 2h;
// The name servers of outage.example fail once, for so long at most.
inline constexpr Millis outage_max = 1h;

inline std::string plain_domain(int number) {
    return "d" + std::to_string(number) + ".plain.example";
}

inline std::string tag_of(int number) { return "X-Tag: <" + std::to_string(number) + ">"; }

inline int number_in(const std::string& body) {
    const auto begin = body.find("X-Tag: <");
    return begin == std::string::npos ? -1 : std::stoi(body.substr(begin + 8));
}

inline std::string address_of(int number, int recipient, const std::string& domain) {
    return "u" + std::to_string(number) + "x" + std::to_string(recipient) + "@" + domain;
}
inline std::pair<int, int> key_in(const std::string& address) {
    const auto middle = address.find('x');
    return {std::stoi(address.substr(1)), std::stoi(address.substr(middle + 1))};
}

}  // namespace simulation
