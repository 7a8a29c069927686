#include "mta/inbound/relay_policy.h"

#include <algorithm>

#include "mta/base/domain.h"

namespace mta::inbound {

namespace {

bool is_in(const std::vector<Network>& networks, const IpAddress& client) {
    return std::ranges::any_of(networks,
                               [&](const Network& network) { return network.contains(client); });
}

}  // namespace

bool RelayPolicy::may_relay_anywhere(const IpAddress& client) const {
    return is_in(relay_.networks, client);
}

bool RelayPolicy::may_prioritise(const IpAddress& client) const {
    return is_in(inbound_.priority_networks ? *inbound_.priority_networks : relay_.networks,
                 client);
}

bool RelayPolicy::may_wake(const IpAddress& client) const {
    return is_in(relay_.etrn_networks ? *relay_.etrn_networks : relay_.networks, client);
}

bool RelayPolicy::is_relay_domain(std::string_view domain) const {
    return std::ranges::any_of(relay_.domains, [&](std::string_view ours) {
        return ours.starts_with('.') ? is_under(domain, ours.substr(1)) : domain == ours;
    });
}

}  // namespace mta::inbound
