#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace mta {

// An IPv4 or IPv6 address. An IPv4-mapped IPv6 address (::ffff:192.0.2.1) becomes the IPv4 address,
// so that it cannot evade a rule for 192.0.2.0/24.
class IpAddress {
public:
    IpAddress() = default;  // 0.0.0.0
    [[nodiscard]] static IpAddress v4(std::array<std::uint8_t, 4> bytes);
    [[nodiscard]] static IpAddress v6(std::array<std::uint8_t, 16> bytes);
    // "192.0.2.1" or "2001:db8::1", without brackets, port or zone.
    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

    [[nodiscard]] bool is_v6() const { return is_v6_; }
    // 4 bytes (the first four) or 16, in network order.
    [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
    [[nodiscard]] std::string to_string() const;
    // "[192.0.2.1]" or "[IPv6:2001:db8::1]": an address literal (RFC 5321 section 4.1.3).
    [[nodiscard]] std::string to_literal() const;

    // 127/8, ::1, 0/8, ::
    [[nodiscard]] bool is_loopback_or_unspecified() const;
    // 169.254/16, fe80::/10
    [[nodiscard]] bool is_link_local() const;
    // 224/4, 240/4 (with the broadcast address), ff00::/8
    [[nodiscard]] bool is_multicast_or_reserved() const;

    auto operator<=>(const IpAddress&) const = default;

private:
    bool is_v6_ = false;
    std::array<std::uint8_t, 16> bytes_{};
};

// "192.168.0.0/16", "2001:db8::/32"; an address alone is a network of one.
class Network {
public:
    Network() = default;  // 0.0.0.0/32
    // Nothing if the text is no network, or has bits behind the prefix ("10.0.0.1/8").
    [[nodiscard]] static std::optional<Network> parse(std::string_view text);
    [[nodiscard]] bool contains(const IpAddress& address) const;
    [[nodiscard]] std::string to_string() const;
    bool operator==(const Network&) const = default;

private:
    IpAddress base_;
    std::uint8_t prefix_bits_ = 32;
};

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;
    auto operator<=>(const Endpoint&) const = default;
};

[[nodiscard]] std::string to_string(
    const Endpoint& endpoint);  // "192.0.2.1:25", "[2001:db8::1]:25"
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text);

}  // namespace mta

template <>
struct std::hash<mta::IpAddress> {
    std::size_t operator()(const mta::IpAddress& address) const noexcept {
        const auto& bytes = address.bytes();
        return std::hash<std::string_view>{}(
            {reinterpret_cast<const char*>(bytes.data()), address.is_v6() ? 16u : 4u});
    }
};
template <>
struct std::hash<mta::Endpoint> {
    std::size_t operator()(const mta::Endpoint& endpoint) const noexcept {
        return std::hash<mta::IpAddress>{}(endpoint.address) * 31 + endpoint.port;
    }
};
