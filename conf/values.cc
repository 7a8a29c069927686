#include "conf/values.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/base/mail_address.h"

namespace conf {
namespace {

std::unexpected<std::string> wrong(std::string what) { return std::unexpected(std::move(what)); }

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

// No top-level domain is a number (RFC 3696 section 2), but a mistyped address looks like one.
bool ends_in_number(std::string_view domain) {
    const auto label = domain.substr(domain.rfind('.') + 1);
    return std::ranges::all_of(label, [](char c) { return c >= '0' && c <= '9'; });
}

// The network in `text` without the bits behind its prefix.
std::optional<mta::Network> masked(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = mta::IpAddress::parse(text.substr(0, slash));
    if (!address || slash == text.npos) return std::nullopt;
    auto bytes = address->bytes();
    // Clears one bit after the other from the right until the rest is a network.
    for (std::size_t bit = address->is_v6() ? 128 : 32; bit > 0; --bit) {
        auto& byte = bytes.at((bit - 1) / 8);
        byte = static_cast<std::uint8_t>(byte & ~(1u << (7 - (bit - 1) % 8)));
        const auto base = address->is_v6()
                              ? mta::IpAddress::v6(bytes)
                              : mta::IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
        const auto network =
            mta::Network::parse(base.to_string() + std::string(text.substr(slash)));
        if (network) return network;
    }
    return std::nullopt;
}

struct HostAndPort {
    std::string_view host;
    std::string_view port;
};
Parsed<NextHopHost> host_with_port(const HostAndPort& text) {
    const auto host = text.host;
    const auto number = parse_port(text.port);
    if (!number) return wrong("the port behind the colon must be 1 to 65535");
    if (const auto address = mta::IpAddress::parse(host)) {
        return NextHopHost{address->to_string(), *number};
    }
    auto domain = parse_domain(host);
    if (!domain) return wrong(std::move(domain).error());
    return NextHopHost{std::move(*domain), *number};
}

constexpr const char* next_hop_forms =
    "must be a host name or an address, with a port or without: \"mail.example\", "
    "\"mail.example:25\", \"192.0.2.1:25\", \"[2001:db8::1]:25\"";

}  // namespace

Parsed<mta::Endpoint> parse_address(std::string_view text, std::uint16_t default_port) {
    if (default_port != 0) {
        auto bare = text;
        if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
        if (const auto address = mta::IpAddress::parse(bare)) {
            return mta::Endpoint{*address, default_port};
        }
    } else if (const auto address = mta::IpAddress::parse(text)) {
        return wrong("the port is missing; write \"" + to_string(mta::Endpoint{*address, 25}) +
                     "\"");
    }
    const auto endpoint = mta::parse_endpoint(text);
    if (endpoint && endpoint->port != 0) return *endpoint;
    if (endpoint) return wrong("the port must be 1 to 65535");
    if (text.starts_with("*:")) {
        return wrong("write \"0.0.0.0" + std::string(text.substr(1)) +
                     "\" for every IPv4 address, and \"[::]" + std::string(text.substr(1)) +
                     "\" in a second entry for every IPv6 address");
    }
    return wrong(default_port != 0
                     ? "must be an address, with a port or without: \"127.0.0.1\", "
                       "\"127.0.0.1:" +
                           std::to_string(default_port) + "\", \"[::1]:" +
                           std::to_string(default_port) + "\"; names are not looked up"
                     : std::string("must be an address and a port, such as \"0.0.0.0:25\" or "
                                   "\"[::1]:25\"; names are not looked up"));
}

Parsed<mta::Network> parse_network(std::string_view text) {
    if (const auto network = mta::Network::parse(text)) return *network;
    if (const auto network = masked(text)) {
        return wrong("bits are set behind the prefix; write \"" + network->to_string() + "\"");
    }
    return wrong(
        "must be a network or an address, such as \"192.168.0.0/16\", \"2001:db8::/32\" or "
        "\"192.0.2.1\"");
}

Parsed<NextHopHost> parse_next_hop(std::string_view text) {
    if (const auto address = mta::IpAddress::parse(text)) {
        return NextHopHost{address->to_string(), NextHopHost{}.port};
    }
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        const auto inside = text.substr(1, close == text.npos ? close : close - 1);
        if (close != text.npos && mta::to_a_labels(inside) && !mta::IpAddress::parse(inside)) {
            return wrong(
                "leave out the brackets: hosts are always looked up as they are, never by MX; "
                "brackets are for IPv6 addresses");
        }
        const auto rest = close == text.npos ? text : text.substr(close + 1);
        const auto address = mta::IpAddress::parse(inside);
        if (!address || (!rest.empty() && rest[0] != ':')) return wrong(next_hop_forms);
        if (rest.empty()) return NextHopHost{address->to_string(), NextHopHost{}.port};
        return host_with_port({.host = inside, .port = rest.substr(1)});
    }
    const auto colon = text.find(':');
    if (colon == text.npos) {
        auto domain = parse_domain(text);
        if (!domain) return wrong(next_hop_forms);
        return NextHopHost{std::move(*domain), NextHopHost{}.port};
    }
    if (text.find(':', colon + 1) != text.npos) {
        return wrong("an IPv6 address with a port is written in brackets: \"[2001:db8::1]:25\"");
    }
    return host_with_port({.host = text.substr(0, colon), .port = text.substr(colon + 1)});
}

Parsed<std::string> parse_domain(std::string_view text) {
    if (mta::IpAddress::parse(text)) return wrong("is an address; a domain name is wanted here");
    if (text.find('@') != text.npos) {
        return wrong("is a mail address; only the part behind the @ is wanted here");
    }
    auto domain = mta::to_a_labels(text);
    if (domain && ends_in_number(*domain)) {
        return wrong("looks like an address but is none, and no domain name ends in a number");
    }
    if (domain) return std::move(*domain);
    return wrong(
        "is no domain name: labels of 1 to 63 letters, digits and hyphens with dots between them, "
        "such as \"office.example\"");
}

Parsed<std::string> parse_domain_or_subtree(std::string_view text) {
    if (text.starts_with("*.")) {
        return wrong("write \"" + std::string(text.substr(1)) +
                     "\", with a dot in front and no asterisk, for everything below a domain");
    }
    const bool subtree = text.starts_with('.');
    auto domain = parse_domain(subtree ? text.substr(1) : text);
    if (!domain) return domain;
    return subtree ? '.' + *domain : *domain;
}

Parsed<std::uint32_t> parse_socket_mode(std::string_view text) {
    std::uint32_t mode = 0;
    const auto* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, mode, 8);
    constexpr std::uint32_t owner = 0600;
    constexpr std::uint32_t read_and_write = 0666;
    const bool is_number = text.starts_with('0') && parsed.ec == std::errc{} && parsed.ptr == end;
    if (!is_number || (mode & ~read_and_write) != 0 || (mode & owner) != owner) {
        return wrong(
            "must be a mode in octal that lets the owner read and write and nobody execute, such "
            "as "
            "\"0660\"");
    }
    return mode;
}

Parsed<std::string> parse_mail_address(std::string_view text) {
    const auto [local_part, domain_part] = mta::split_address(text);
    const bool plain =
        !local_part.empty() && local_part.size() <= mta::limits::local_part_bytes_max &&
        mta::is_ascii(local_part) && local_part.find_first_of(" \"(),:;<>@[\\]") == local_part.npos;
    const auto domain = mta::to_a_labels(domain_part);
    if (!plain || !domain) {
        return wrong("must be a plain mail address, such as \"postmaster@office.example\"");
    }
    return std::string(local_part) + '@' + *domain;
}

Parsed<mta::DailyWindow> parse_window(std::string_view text) {
    if (const auto window = mta::parse_daily_window(text)) return *window;
    return wrong(
        "must be two different times of the day, such as \"22:00-06:00\" (over midnight) or "
        "\"18:30-24:00\"");
}

}  // namespace conf
