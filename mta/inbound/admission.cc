#include "mta/inbound/admission.h"

#include <algorithm>

namespace mta::inbound {
namespace {

// A part of all connections is kept for clients that may relay, and no network of strangers gets
// more than another part, so that strangers cannot lock those clients out.
constexpr std::uint32_t own_share = 10;
constexpr std::uint32_t network_share = 2;
// One client that may relay cannot lock out the others.
constexpr std::uint32_t own_address_share = 2;

}  // namespace

void Admission::configure(const conf::Inbound& settings) {
    connections_max_ = settings.connections_max;
    per_address_max_ = settings.connections_per_address_max;
    judge_load();
}

Admission::Verdict Admission::verdict(const IpAddress& client, bool is_own) const {
    return counts_.verdict(client, limits_for(is_own));
}

Admission::Ticket Admission::enter(const IpAddress& client, bool is_own) {
    const Ticket ticket{.address = client, .limits = limits_for(is_own)};
    counts_.enter(ticket.address, ticket.limits);
    judge_load();
    return ticket;
}

void Admission::leave(const Ticket& ticket) {
    counts_.leave(ticket.address, ticket.limits);
    judge_load();
}

ConnectionCounts::Limits Admission::limits_for(bool is_own) const {
    const auto most = connections_max_;
    if (is_own) {
        return {.connections_max = most,
                .per_address_max = std::max(most / own_address_share, 1u),
                .is_own = true};
    }
    return {.connections_max = most - most / own_share,
            .per_address_max = per_address_max_,
            .per_network_max = std::max(most / network_share, 1u)};
}

void Admission::judge_load() {
    const std::uint64_t used = counts_.total();
    const std::uint64_t most = connections_max_;
    is_scarce_ = is_scarce_ ? used * 10 >= most * 6 : used * 4 > most * 3;
}

}  // namespace mta::inbound
