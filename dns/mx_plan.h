#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "dns/resolver.h"
#include "mta/base/ip_address.h"
#include "mta/base/outcome.h"

namespace dns {

// Where to deliver mail for a domain, in what order, and what to say if there is nowhere (RFC 5321
// section 5.1, RFC 7505). Pure: look-ups are the Resolver's job, connections somebody else's.
//
//   1. A domain that is an address literal, "[192.0.2.1]", has no MX: address_of_literal(), then
//      plan_literal().
//   2. Resolver::look_up_mx(domain), plan_hosts() -> hosts in the order in which to try them.
//   3. For each host Resolver::look_up_addresses(host), plan_addresses() -> endpoints in the order
//      in which to try them. A host that has none is skipped; keep_most_hopeful() gathers why.
//
// All errors have Scope::domain, reply_code 0 and words for people. What the DNS denies (NXDOMAIN,
// null MX) is permanent; what it failed to say (SERVFAIL, timeout, REFUSED, malformed) is 4.4.3.

// "[192.0.2.1]" and "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3), in any case of letters.
[[nodiscard]] std::optional<mta::IpAddress> address_of_literal(std::string_view domain);

// Hosts of a domain, best preference first, equal preferences in random order, at most
// mta::limits::mx_hosts_max. Without MX records: the domain itself (implicit MX). `own_names`: this
// relay's host names; a host of that name, and all of equal or worse preference, are left out.
//
//   5.1.2   the domain does not exist
//   5.1.10  the domain says that it takes no mail (null MX)
//   5.4.6   the best host is this relay itself: mail would loop
//   4.4.3   the DNS gave no answer
[[nodiscard]] mta::Result<std::vector<std::string>> plan_hosts(
    const std::string& domain, const Lookup<MxAnswer>& answer,
    const std::vector<std::string>& own_names, std::mt19937_64& rng);

struct AddressPolicy {
    std::uint16_t port = 25;
    // Of this machine: a host with such an address is this relay again, or something that only
    // listens for us.
    std::vector<mta::IpAddress> own_addresses;
    // `delivery.allow_networks`: exceptions to the refusal below.
    std::vector<mta::Network> allow_networks;
    std::size_t addresses_max = 5;
};

// Endpoints of a host: IPv6 and IPv4 in turns beginning with IPv6 (so that one broken family costs
// one try), each family in random order (the cache would otherwise send everything to the first
// address for an hour), at most policy.addresses_max. Loopback, unspecified, link-local, multicast,
// reserved and own addresses are refused unless a network of `allow_networks` has them: otherwise
// anybody's MX record could make us talk to this machine's inner services.
//
//   5.4.4   the host does not exist, or has no address
//   5.4.6   all of its addresses are refused
//   4.4.3   the DNS gave no answer
[[nodiscard]] mta::Result<std::vector<mta::Endpoint>> plan_addresses(
    const std::string& host, const Lookup<AddressAnswer>& answer, const AddressPolicy& policy,
    std::mt19937_64& rng);

// True if the host is this machine by its addresses: all are refused, one because it is our own. As
// with a host of our own name, those of equal or worse preference are not asked then (RFC 5321
// section 5.1).
[[nodiscard]] bool is_this_machine(const AddressAnswer& answer, const AddressPolicy& policy);

// The same rules for an address literal.
[[nodiscard]] mta::Result<mta::Endpoint> plan_literal(const mta::IpAddress& address,
                                                      const AddressPolicy& policy);

// Of the errors of several hosts the one to act on and to report: the first temporary one, else the
// first. So a domain is given up only if every one of its hosts is hopeless, as RFC 5321
// section 5.1 asks ("MUST be reported as an error") and as Postfix does.
void keep_most_hopeful(std::optional<mta::DeliveryError>& kept, mta::DeliveryError next);

}  // namespace dns
