// All settings as plain structs. conf/posthouse.toml and posthouse.toml(5) say what each key means;
// the defaults are here and nowhere else. The loader makes the settings, which never change then.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/daily_window.h"
#include "mta/base/ip_address.h"
#include "mta/base/log.h"
#include "mta/base/rate.h"
#include "mta/base/smtp_keyword.h"
#include "mta/base/time.h"

namespace conf {
using namespace std::chrono_literals;

struct Spool {
    std::string path = "/var/lib/posthouse";
    std::uint64_t segment_bytes = 64u << 20;
    // New mail is refused with 452 if less than the larger of these two is free.
    std::uint32_t free_percent_min = 10;
    std::uint64_t free_bytes_min = 256'000'000;
    bool operator==(const Spool&) const = default;
};

struct Listener {
    mta::Endpoint address{mta::IpAddress{}, 25};
    bool operator==(const Listener&) const = default;
};

// The listener if the configuration has no [[listener]]: only this machine can connect.
inline const Listener default_listener{{mta::IpAddress::v4({127, 0, 0, 1}), 25}};

// This machine.
[[nodiscard]] inline std::vector<mta::Network> default_relay_networks() {
    std::vector<mta::Network> networks;
    for (const auto* text : {"127.0.0.0/8", "::1"}) {
        if (const auto network = mta::Network::parse(text)) networks.push_back(*network);
    }
    return networks;
}

struct Relay {
    std::vector<mta::Network> networks = default_relay_networks();
    // A-labels: "office.example", or ".office.example" for everything below it.
    std::vector<std::string> domains;
    // The clients that may use ETRN. If it is not set, those in `networks`.
    std::optional<std::vector<mta::Network>> etrn_networks;
    bool operator==(const Relay&) const = default;
};

// The limits of the server side, each with the reply beyond it.
struct Inbound {
    std::uint64_t message_bytes_max = 50'000'000;     // 552 5.3.4
    std::uint32_t recipients_max = 1000;              // 452 4.5.3
    std::uint32_t received_hops_max = 50;             // 554 5.4.6
    std::uint32_t connections_max = 1000;             // 421 4.3.2
    std::uint32_t connections_per_address_max = 100;  // 421 4.7.0; half of all for relay.networks
    mta::Millis command_timeout = 5min;               // 421 4.4.2
    mta::Millis data_timeout = 5min;                  // without a byte
    std::uint32_t data_rate_bytes_min = 100;          // a second, on average over a minute; 0: none
    // The clients whose MT-PRIORITY counts. If it is not set, those in relay.networks.
    std::optional<std::vector<mta::Network>> priority_networks;
    mta::Millis future_release_max = 7 * 24h;  // for relay.networks; with 0, it is not offered
    mta::Millis deliver_by_min = 1min;         // for relay.networks; the shortest BY with R
    bool operator==(const Inbound&) const = default;
};

// A name, which is looked up (A and AAAA), or an address, and a port.
struct NextHopHost {
    std::string host;  // A-labels, or an address without brackets
    std::uint16_t port = 25;
    bool operator==(const NextHopHost&) const = default;
};

struct Route {
    // "office.example", ".sub.tree" (everything below sub.tree), "*"; A-labels.
    std::string domain;
    std::vector<NextHopHost> hosts;       // in order of preference
    std::optional<mta::Millis> lifetime;  // if it is not set, retry.lifetime
    std::string source;                   // a pool of [[source]]s; if empty, the sender's
    // In local time; if the list is empty, at any time.
    std::vector<mta::DailyWindow> deliver_between;
    bool operator==(const Route&) const = default;
};

// Which families of a host's addresses are used, and which comes first when they take turns.
enum class IpFamilies : std::uint8_t { v6_first, v4_first, v6, v4 };

// Limits for the destinations that `match` names. A value that is not set is the general one. If
// several match one destination, the first counts.
struct Site {
    // MX hosts, hosts of routes, or domains whose mail goes by MX: "mx.them.example",
    // ".them.example" (everything below it), an address, "*"; A-labels.
    std::vector<std::string> match;
    std::optional<std::uint32_t> connections_max;
    std::optional<std::uint32_t> messages_per_connection_max;
    std::optional<std::uint32_t> recipients_per_transaction_max;
    std::optional<mta::Rate> message_rate;
    std::optional<mta::Rate> connection_rate;
    std::optional<IpFamilies> ip;
    mta::SmtpKeywords without = {};  // extensions that are not used, even if EHLO offers them
    bool operator==(const Site&) const = default;
};

// The addresses of this machine from which mail is sent, with the name for EHLO. The sources of one
// pool share its mail by weight.
struct Source {
    std::string name;  // "mail1"; unique
    std::string pool;  // by default the name
    std::optional<mta::IpAddress> v4;
    std::optional<mta::IpAddress> v6;
    std::string ehlo;  // by default the hostname
    std::uint32_t weight = 1;
    // The senders whose mail goes through the pool: "office.example", ".office.example" (everything
    // below it), "*" (all others, and the null sender); A-labels.
    std::vector<std::string> senders;
    bool operator==(const Source&) const = default;
};

struct Dns {
    std::vector<mta::Endpoint> servers;  // if empty, the system's
    mta::Millis timeout = 2s;            // of a try
    std::uint32_t tries = 2;             // with each server
    bool hosts_file = true;              // hosts of routes are looked up in /etc/hosts first
    bool operator==(const Dns&) const = default;
};

struct Delivery {
    std::uint16_t port = 25;
    std::vector<mta::Network> allow_networks;
    std::uint32_t connections_max = 500;  // in all
    std::uint32_t connections_per_destination_max = 20;
    std::uint32_t messages_per_connection_max = 100;
    std::uint32_t recipients_per_transaction_max = 50;
    std::uint32_t addresses_per_attempt_max = 5;
    IpFamilies ip = IpFamilies::v6_first;
    mta::Millis idle_timeout = 5s;        // of a kept connection
    mta::Millis connect_timeout = 30s;    // for an address
    mta::Millis greeting_timeout = 5min;  // RFC 5321 section 4.5.3.2 and below
    mta::Millis command_timeout = 5min;
    mta::Millis data_command_timeout = 2min;
    mta::Millis data_block_timeout = 3min;
    mta::Millis final_dot_timeout = 10min;
    mta::Millis stop_patience = 10s;  // for transactions past the final dot when the relay stops
    // Of bodies in delivery that are kept in RAM. Beyond it, they are read back from the spool.
    std::uint64_t memory_bytes_max = 256'000'000;
    bool operator==(const Delivery&) const = default;
};

struct Retry {
    std::vector<mta::Millis> schedule = {1min, 5min, 15min, 30min, 1h};
    mta::Millis max_interval = 4h;
    std::uint32_t jitter_percent = 10;
    mta::Millis lifetime = 5 * 24h;
    mta::Millis bounce_lifetime = 2 * 24h;
    // The ages of a message at which its sender gets a delay notice; if empty, never.
    std::vector<mta::Millis> delay_notices = {4h, 24h};
    bool operator==(const Retry&) const = default;
};

struct Admin {
    std::string socket = "/run/posthouse/admin.sock";
    std::uint32_t socket_mode = 0660;      // as in chmod(2)
    std::string socket_group;              // if empty, the group that the relay runs as
    std::optional<mta::Endpoint> metrics;  // on loopback; if not set, only the socket serves them
    bool operator==(const Admin&) const = default;
};

struct LogSettings {
    mta::Level level = mta::Level::info;
    bool operator==(const LogSettings&) const = default;
};

struct Settings {
    // By default the machine's name. Used in EHLO, the greeting, Received and reports.
    std::string hostname;
    std::string postmaster;  // named in reports; if empty, postmaster@hostname
    Spool spool;
    std::vector<Listener> listeners;  // at least one
    Relay relay;
    Inbound inbound;
    std::vector<Route> routes;
    std::vector<Site> sites;  // in the order of the file
    std::vector<Source> sources;
    Dns dns;
    Delivery delivery;
    Retry retry;
    Admin admin;
    LogSettings log;
    bool operator==(const Settings&) const = default;
};

}  // namespace conf
