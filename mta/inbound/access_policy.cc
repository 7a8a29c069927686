#include "mta/inbound/access_policy.h"

#include <algorithm>

#include "mta/base/domain.h"

namespace mta::inbound {

namespace {

bool is_in(const std::vector<Network>& networks, const ClientIdentity& client) {
    return std::ranges::any_of(
        networks, [&](const Network& network) { return network.contains(client.address); });
}

}  // namespace

smtp::ClientRights AccessPolicy::rights_of(const ClientIdentity& client) const {
    return {.is_own = may_relay_anywhere(client),
            .may_prioritise = may_prioritise(client),
            .may_wake = may_wake(client)};
}

std::optional<smtp::ServerReply> AccessPolicy::refusal_of(const ClientIdentity& client,
                                                          const smtp::Address& recipient) const {
    if (may_relay_anywhere(client)) return std::nullopt;
    const bool is_ours = is_relay_domain(recipient.canonical_domain);
    if (is_ours && !recipient.has_routing_local_part()) return std::nullopt;
    return smtp::ServerReply{.code = 550,
                             .status = {5, 7, 1},
                             .text = "Relaying to <" + recipient.text() + "> is not allowed for " +
                                     client.address.to_string()};
}

bool AccessPolicy::may_relay_anywhere(const ClientIdentity& client) const {
    return is_in(relay_.networks, client);
}

bool AccessPolicy::may_prioritise(const ClientIdentity& client) const {
    return is_in(inbound_.priority_networks ? *inbound_.priority_networks : relay_.networks,
                 client);
}

bool AccessPolicy::may_wake(const ClientIdentity& client) const {
    return is_in(relay_.etrn_networks ? *relay_.etrn_networks : relay_.networks, client);
}

bool AccessPolicy::is_relay_domain(std::string_view domain) const {
    return std::ranges::any_of(relay_.domains, [&](std::string_view ours) {
        return ours.starts_with('.') ? is_under(domain, ours.substr(1)) : domain == ours;
    });
}

}  // namespace mta::inbound
