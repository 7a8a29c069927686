#pragma once
#include <cstdint>
#include <unordered_map>

#include "mta/base/ip_address.h"

namespace mta::inbound {

// Open connections, in all and by address. IPv6 clients count by /64: one customer has a whole
// network of addresses.
class ConnectionCounts {
public:
    enum class Verdict : std::uint8_t { welcome, too_many, too_many_from_address };
    struct Limits {
        std::uint32_t connections_max = 0;
        std::uint32_t per_address_max = 0;  // 0: no such limit for this client
    };

    // If welcome, the connection is counted until leave().
    [[nodiscard]] Verdict enter(const IpAddress& client, const Limits& limits);
    void leave(const IpAddress& client);
    [[nodiscard]] std::uint32_t total() const { return total_; }

private:
    static IpAddress key_of(const IpAddress& client);

    std::uint32_t total_ = 0;
    std::unordered_map<IpAddress, std::uint32_t> by_address_;
};

}  // namespace mta::inbound
