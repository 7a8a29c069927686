#include "mta/inbound/connection_counts.h"

#include <algorithm>

#include "mta/base/assert.h"

namespace mta::inbound {
namespace {

IpAddress client_of(const IpAddress& address, const ConnectionCounts::Limits& limits) {
    if (!address.is_v6() || limits.is_own) return address;
    auto bytes = address.bytes();
    std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
    return IpAddress::v6(bytes);
}

IpAddress network_of(const IpAddress& address) {
    auto bytes = address.bytes();
    if (!address.is_v6()) return IpAddress::v4({bytes[0], bytes[1], bytes[2], 0});
    std::fill(bytes.begin() + 6, bytes.end(), std::uint8_t{0});
    return IpAddress::v6(bytes);
}

}  // namespace

ConnectionCounts::Verdict ConnectionCounts::verdict(const IpAddress& client,
                                                    const Limits& limits) const {
    const auto count_in = [](const Counts& counts, const IpAddress& key) {
        const auto found = counts.find(key);
        return found == counts.end() ? 0 : found->second;
    };
    const auto is_in_network = limits.per_network_max != 0;
    if (is_in_network && count_in(by_network_, network_of(client)) >= limits.per_network_max)
        return Verdict::too_many_from_network;
    if (limits.per_address_max != 0 &&
        count_in(by_address_, client_of(client, limits)) >= limits.per_address_max)
        return Verdict::too_many_from_address;
    return total_ < limits.connections_max ? Verdict::welcome : Verdict::too_many;
}

void ConnectionCounts::enter(const IpAddress& client, const Limits& limits) {
    if (limits.per_network_max != 0) ++by_network_[network_of(client)];
    ++by_address_[client_of(client, limits)];
    ++total_;
}

void ConnectionCounts::leave(const IpAddress& client, const Limits& limits) {
    MTA_ASSERT(total_ > 0);
    --total_;
    take_from(by_address_, client_of(client, limits));
    if (limits.per_network_max != 0) take_from(by_network_, network_of(client));
}

void ConnectionCounts::take_from(Counts& counts, const IpAddress& key) {
    const auto found = counts.find(key);
    MTA_ASSERT(found != counts.end());
    if (--found->second == 0) counts.erase(found);
}

}  // namespace mta::inbound
