// The limits that every relay of the simulation has, and the domains of its world.
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

// Some relays have these rates. One is set by domain, one by host, one for a route.
inline constexpr mta::Rate message_rate{3, 60s};
inline constexpr mta::Rate connection_rate{6, 3600s};
// A transaction begins at most this long after it was allowed, including the way to the server.
inline constexpr Millis way_max = 1s;
inline constexpr Millis mail_comes_for = 2 * 24h;
// away.example is off from the beginning for this time. Then a probe finds it, after the longest
// interval between two probes with its jitter, and after the probe before has waited for a
// greeting.
inline constexpr Millis away_for = 4 * 24h;
inline constexpr Millis found_within = 1h + 6min + 6min;
// A recipient may end this late, because an attempt under way has its own deadlines.
inline constexpr Millis attempt_duration_max = 2h;
// An order that names mail lets it go outside its hours for this time: the hour of the order itself
// (DeliveryHours::order_max), and the attempts that began in it.
inline constexpr Millis named_max = 1h + attempt_duration_max;
// Far more connections than any of these worlds needs.
inline std::uint64_t connects_max(int messages) {
    return 50'000 + 10 * static_cast<std::uint64_t>(messages);
}
// The relay is off for no longer than this, and its clock leaps no farther.
inline constexpr Millis off_max = 6 * 24h;
inline constexpr Millis leap_max = 10 * 24h;
// The largest interval of FUTURERELEASE and DELIVERBY.
inline constexpr Millis request_reach = 24h;

inline const std::vector<std::string> domains = {
    "good.example",   "flaky.example",      "dead.example",       "hung.example",
    "flap.example",   "dns.example",        "grey.example",       "nowhere.example",
    "no.example",     "branch.example",     "busy.example",       "strict.example",
    "away.example",   "one.shared.example", "two.shared.example", "backup.example",
    "poison.example",
};
// The name servers of these answer in bytes, and make errors. Worlds with much mail leave them out.
inline const std::vector<std::string> wire_domains = {
    "records.example", "alias.example", "bare.example", "rubbish.example", "outage.example"};
inline const std::vector<std::string> senders = {"ann@office.example", "ben@office.example",
                                                 "list@office.example", "news@office.example"};
// The limit of the host that one.shared.example and two.shared.example share.
inline constexpr std::size_t shared_connections_max = 2;
// busy.example rejects connections beyond this number.
inline constexpr std::size_t busy_connections_max = 2;

// The hosts of backup.example. All but one reject the session before they answer EHLO.
inline constexpr int backup_hosts = 8;
// poison.example breaks the session at some mailboxes, whatever other recipients the message has.
inline bool is_poison(std::pair<int, int> key) { return (key.first + key.second) % 5 == 0; }
// Mail for a working host is delivered within this time, if the relay runs and no order delays it.
// The time is enough for some probes, for the retry of recipients that shared a message with
// poison, and for turns at the few connections that silent servers leave.
inline constexpr Millis delivered_within = 2h;
// The name servers of outage.example fail once, for no longer than this.
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
