#pragma once
#include <cstdint>
#include <unordered_map>

#include "mta/base/ip_address.h"

namespace mta::inbound {

// Counts open connections: all of them, by address, and by network (/24, IPv6 /48). For strangers
// with IPv6 a /64 counts as one address, since one customer has that many. Our own clients count by
// address, since a whole office may share a /64.
class ConnectionCounts {
public:
    enum class Verdict : std::uint8_t {
        welcome,
        too_many,
        too_many_from_address,
        too_many_from_network
    };
    struct Limits {
        std::uint32_t connections_max = 0;
        std::uint32_t per_address_max = 0;  // 0: this client has no such limit
        std::uint32_t per_network_max = 0;  // 0: this client does not count in its network
        bool is_own = false;
    };

    [[nodiscard]] Verdict verdict(const IpAddress& client, const Limits& limits) const;
    // The connection counts until leave() is called with the same limits.
    void enter(const IpAddress& client, const Limits& limits);
    void leave(const IpAddress& client, const Limits& limits);
    [[nodiscard]] std::uint32_t total() const { return total_; }

private:
    using Counts = std::unordered_map<IpAddress, std::uint32_t>;
    static void take_from(Counts& counts, const IpAddress& key);

    std::uint32_t total_ = 0;
    Counts by_address_;
    Counts by_network_;
};

}  // namespace mta::inbound
