#include "mta/inbound/connection_counts.h"

#include <algorithm>

#include "mta/base/assert.h"

namespace mta::inbound {

ConnectionCounts::Verdict ConnectionCounts::enter(const IpAddress& client, const Limits& limits) {
    if (total_ >= limits.connections_max) return Verdict::too_many;
    auto& count = by_address_[key_of(client)];
    // At the limit the count is above zero, so no empty entry stays behind.
    if (limits.per_address_max != 0 && count >= limits.per_address_max) {
        return Verdict::too_many_from_address;
    }
    ++count;
    ++total_;
    return Verdict::welcome;
}

void ConnectionCounts::leave(const IpAddress& client) {
    const auto found = by_address_.find(key_of(client));
    MTA_ASSERT(found != by_address_.end() && total_ > 0);
    --total_;
    if (--found->second == 0) by_address_.erase(found);
}

IpAddress ConnectionCounts::key_of(const IpAddress& client) {
    if (!client.is_v6()) return client;
    auto bytes = client.bytes();
    std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
    return IpAddress::v6(bytes);
}

}  // namespace mta::inbound
