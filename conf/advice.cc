#include "conf/advice.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "mta/base/domain.h"
#include "mta/base/time_format.h"

namespace conf {
namespace {

bool listens_beyond_this_machine(const Settings& settings) {
    return std::ranges::any_of(settings.listeners, [](const Listener& listener) {
        const auto& address = listener.address.address;
        const bool any = address == mta::IpAddress{} || address == mta::IpAddress::v6({});
        return any || !address.is_loopback_or_unspecified();
    });
}

void advise_on_relay(const Settings& settings, std::vector<std::string>& all) {
    // One distant IPv4 address and one IPv6 address stand for the whole Internet.
    for (const auto* outside : {"8.8.8.8", "2001:4860:4860::8888"}) {
        const auto address = mta::IpAddress::parse(outside);
        for (const auto& network : settings.relay.networks) {
            if (!address || !network.contains(*address)) continue;
            all.push_back("relay.networks has " + network.to_string() +
                          ": strangers on the Internet may send through this relay (an open relay) "
                          "and it will soon be on every blocklist");
        }
    }
    if (settings.relay.networks.empty() && settings.relay.domains.empty()) {
        all.emplace_back(
            "relay.networks and relay.domains are both empty: nobody may send anything");
    }
}

void advise_on_hostname(const Settings& settings, std::vector<std::string>& all) {
    const auto& name = settings.hostname;
    const bool local = name == "localhost" || mta::is_under(name, "localhost") ||
                       mta::is_under(name, "localdomain");
    if (local || name.find('.') == name.npos) {
        all.push_back("hostname is \"" + name +
                      "\": many servers refuse mail from a host without a full name; set hostname "
                      "to a name that the DNS knows, such as \"mail.office.example\"");
    }
}

void advise_on_routes(const Settings& settings, std::vector<std::string>& all) {
    for (const auto& route : settings.routes) {
        for (const auto& host : route.hosts) {
            const auto address = mta::IpAddress::parse(host.host);
            const bool same_place =
                host.host == settings.hostname ||
                (address && std::ranges::any_of(settings.listeners, [&](const Listener& listener) {
                     return listener.address.address == *address ||
                            (listener.address.address == mta::IpAddress{} &&
                             address->is_loopback_or_unspecified());
                 }));
            const bool same_port = std::ranges::any_of(
                settings.listeners,
                [&](const Listener& listener) { return listener.address.port == host.port; });
            if (!same_place || !same_port) continue;
            all.push_back("the route for \"" + route.domain + "\" leads to " + host.host + ":" +
                          std::to_string(host.port) +
                          ", which is this relay itself: its mail would go round in a circle");
        }
    }
    for (const auto& domain : settings.relay.domains) {
        const auto name = domain.starts_with('.') ? domain.substr(1) : domain;
        const bool routed = std::ranges::any_of(settings.routes, [&](const Route& route) {
            return route.domain == "*" || route.domain == domain ||
                   (route.domain.starts_with('.') && mta::is_under(name, route.domain.substr(1)));
        });
        if (routed) continue;
        all.push_back(
            "relay.domains has \"" + domain +
            "\", but no [[route]] is for it: its mail goes by MX, and if that leads here, "
            "it cannot be delivered");
    }
}

void advise_on_times(const Settings& settings, std::vector<std::string>& all) {
    const auto& retry = settings.retry;
    for (const auto& route : settings.routes) {
        const auto lifetime = route.lifetime.value_or(retry.lifetime);
        if (route.deliver_between.empty() || lifetime >= 2 * 24h) continue;
        all.push_back("the route for \"" + route.domain +
                      "\" has hours (deliver_between), and its mail lives for " +
                      mta::format_duration(lifetime) +
                      " only: one failed attempt, and it comes back before the hours begin again; "
                      "set lifetime to some days");
    }
    if (std::ranges::any_of(retry.delay_notices,
                            [&](mta::Millis age) { return age >= retry.lifetime; })) {
        all.emplace_back(
            "retry.delay_notices has a time after retry.lifetime: that notice is never sent, the "
            "mail has come back by then");
    }
    if (std::ranges::any_of(retry.schedule,
                            [&](mta::Millis delay) { return delay > retry.max_interval; })) {
        all.emplace_back(
            "retry.schedule has a wait that is longer than retry.max_interval, which cuts it");
    }
}

// Asks the system, which refuses to bind an address that it does not have. True if it gives no
// answer.
bool is_of_this_machine(const mta::IpAddress& address) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, address.bytes().data(), sizeof v4.sin_addr);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, address.bytes().data(), sizeof v6.sin6_addr);
    const auto* any = address.is_v6() ? reinterpret_cast<const sockaddr*>(&v6)
                                      : reinterpret_cast<const sockaddr*>(&v4);
    const int fd = ::socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return true;
    const socklen_t size = address.is_v6() ? sizeof v6 : sizeof v4;
    const bool is_refused = ::bind(fd, any, size) != 0 && errno == EADDRNOTAVAIL;
    ::close(fd);
    return !is_refused;
}

void advise_on_sources(const Settings& settings, std::vector<std::string>& all) {
    for (const auto& source : settings.sources) {
        for (const auto& address : {source.v4, source.v6}) {
            if (!address || is_of_this_machine(*address)) continue;
            all.push_back("the source \"" + source.name + "\" has the address " +
                          address->to_string() +
                          ", which this machine does not have: nothing can be sent from it");
        }
        const bool is_used =
            std::ranges::any_of(settings.sources,
                                [&](const Source& other) {
                                    return other.pool == source.pool && !other.senders.empty();
                                }) ||
            std::ranges::find(settings.routes, source.pool, &Route::source) !=
                settings.routes.end();
        if (is_used) continue;
        all.push_back("the source \"" + source.name +
                      "\" is never used: no senders, and no [[route]] with source = \"" +
                      source.pool + "\"");
    }
}

}  // namespace

std::vector<std::string> advice(const Settings& settings) {
    std::vector<std::string> all;
    advise_on_hostname(settings, all);
    if (listens_beyond_this_machine(settings)) advise_on_relay(settings, all);
    advise_on_routes(settings, all);
    advise_on_times(settings, all);
    advise_on_sources(settings, all);
    return all;
}

}  // namespace conf
