#include "mta/base/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace mta {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::optional<std::uint16_t> parse_number(std::string_view text, std::uint16_t max) {
    std::uint16_t value = 0;
    const auto* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || at != end || value > max) return std::nullopt;
    return value;
}

bool bit(const std::array<std::uint8_t, 16>& bytes, std::size_t index) {
    return ((bytes[index / 8] >> (7 - index % 8)) & 1) != 0;
}

}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> bytes) {
    IpAddress address;
    std::ranges::copy(bytes, address.bytes_.begin());
    return address;
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> bytes) {
    if (std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin())) {
        return v4({bytes[12], bytes[13], bytes[14], bytes[15]});
    }
    IpAddress address;
    address.is_v6_ = true;
    address.bytes_ = bytes;
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
    if (text.find('\0') != text.npos) return std::nullopt;
    const std::string terminated(text);
    std::array<std::uint8_t, 16> six{};
    std::array<std::uint8_t, 4> four{};
    if (inet_pton(AF_INET, terminated.c_str(), four.data()) == 1) return v4(four);
    if (inet_pton(AF_INET6, terminated.c_str(), six.data()) == 1) return v6(six);
    return std::nullopt;
}

std::string IpAddress::to_string() const {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(is_v6_ ? AF_INET6 : AF_INET, bytes_.data(), text, sizeof text);
    return text;
}

std::string IpAddress::to_literal() const { return (is_v6_ ? "[IPv6:" : "[") + to_string() + "]"; }

bool IpAddress::is_loopback_or_unspecified() const {
    if (!is_v6_) return bytes_[0] == 127 || bytes_[0] == 0;
    return std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto byte) { return byte == 0; }) &&
           bytes_[15] <= 1;
}

bool IpAddress::is_link_local() const {
    if (!is_v6_) return bytes_[0] == 169 && bytes_[1] == 254;
    return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_multicast_or_reserved() const {
    return is_v6_ ? bytes_[0] == 0xff : bytes_[0] >= 224;
}

std::optional<Network> Network::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto base = IpAddress::parse(text.substr(0, slash));
    if (!base) return std::nullopt;
    const std::uint16_t bits = base->is_v6() ? 128 : 32;
    std::uint16_t prefix = bits;
    if (slash != text.npos) {
        const auto number = parse_number(text.substr(slash + 1), bits);
        if (!number) return std::nullopt;
        prefix = *number;
    }
    for (std::size_t i = prefix; i < bits; ++i) {
        if (bit(base->bytes(), i)) return std::nullopt;
    }
    Network network;
    network.base_ = *base;
    network.prefix_bits_ = static_cast<std::uint8_t>(prefix);
    return network;
}

bool Network::contains(const IpAddress& address) const {
    if (address.is_v6() != base_.is_v6()) return false;
    const std::size_t whole = prefix_bits_ / 8;
    if (std::memcmp(address.bytes().data(), base_.bytes().data(), whole) != 0) return false;
    const unsigned rest = prefix_bits_ % 8;
    if (rest == 0) return true;
    const unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return (address.bytes()[whole] & mask) == (base_.bytes()[whole] & mask);
}

std::string Network::to_string() const {
    return base_.to_string() + '/' + std::to_string(prefix_bits_);
}

std::string to_string(const Endpoint& endpoint) {
    const auto address = endpoint.address.to_string();
    const auto port = ':' + std::to_string(endpoint.port);
    return endpoint.address.is_v6() ? '[' + address + ']' + port : address + port;
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == text.npos) return std::nullopt;
    auto host = text.substr(0, colon);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) host = host.substr(1, host.size() - 2);
    const auto address = IpAddress::parse(host);
    const auto port = parse_number(text.substr(colon + 1), 65535);
    const bool has_colon = host.find(':') != host.npos;
    if (!address || !port || bracketed != has_colon) return std::nullopt;
    return Endpoint{*address, *port};
}

}  // namespace mta
