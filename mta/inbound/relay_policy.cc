#include "mta/inbound/relay_policy.h"

#include <algorithm>

#include "mta/base/domain.h"

namespace mta::inbound {

bool RelayPolicy::may_relay_anywhere(const IpAddress& client) const {
    return std::ranges::any_of(relay_.networks,
                               [&](const Network& network) { return network.contains(client); });
}

bool RelayPolicy::is_relay_domain(std::string_view domain) const {
    return std::ranges::any_of(relay_.domains, [&](std::string_view ours) {
        return ours.starts_with('.') ? is_under(domain, ours.substr(1)) : domain == ours;
    });
}

}  // namespace mta::inbound
