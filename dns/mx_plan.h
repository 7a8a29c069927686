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

// Where to deliver mail for a domain, in what order, and with which error if there is no place (RFC
// 5321 section 5.1, RFC 7505). These functions are pure: the Resolver makes the look-ups, and the
// caller makes the connections.
//
//   1. A domain that is an address literal, "[192.0.2.1]", has no MX: address_of_literal(), then
//      plan_literal().
//   2. Resolver::look_up_mx(domain), plan_hosts() -> hosts in the order in which to try them.
//   3. For each host, Resolver::look_up_addresses(host), plan_addresses() -> endpoints in the order
//      in which to try them. A host without any is skipped; keep_most_hopeful() gathers the errors.
//
// All errors have Scope::domain, reply_code 0 and a text for people. What the DNS denies (NXDOMAIN,
// null MX) is permanent. What it fails to answer (SERVFAIL, timeout, REFUSED, malformed) is 4.4.3.

// "[192.0.2.1]" and "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3), in any case of letters.
[[nodiscard]] std::optional<mta::IpAddress> address_of_literal(std::string_view domain);

// The hosts of a domain, best preference first, equal preferences in random order, at most
// mta::limits::mx_hosts_max. A domain without MX records is its own host (implicit MX). `own_names`
// are this relay's host names; a host with such a name, and all hosts of equal or worse preference,
// are left out.
//
//   5.1.2   the domain does not exist
//   5.1.10  the domain accepts no mail (null MX)
//   5.4.6   the best host is this relay itself, so mail would loop
//   4.4.3   the DNS gave no answer
[[nodiscard]] mta::Result<std::vector<std::string>> plan_hosts(
    const std::string& domain, const Lookup<MxAnswer>& answer,
    const std::vector<std::string>& own_names, std::mt19937_64& rng);

struct AddressPolicy {
    std::uint16_t port = 25;
    // The addresses of this machine. A host with such an address is this relay again, or a service
    // for this machine only.
    std::vector<mta::IpAddress> own_addresses;
    // `delivery.allow_networks`: exceptions to the refusal below.
    std::vector<mta::Network> allow_networks;
    std::size_t addresses_max = 5;
};

// The endpoints of a host, at most policy.addresses_max. IPv6 and IPv4 take turns, IPv6 first, so
// that one broken family costs one try. Each family is in random order, because the cache would
// otherwise send everything to the first address for an hour. Loopback, unspecified, link-local,
// multicast, reserved and own addresses are refused unless a network of `allow_networks` has them:
// otherwise a stranger's MX record could lead the relay to this machine's internal services.
//
//   5.4.4   the host does not exist, or has no address
//   5.4.6   all of its addresses are refused
//   4.4.3   the DNS gave no answer
[[nodiscard]] mta::Result<std::vector<mta::Endpoint>> plan_addresses(
    const std::string& host, const Lookup<AddressAnswer>& answer, const AddressPolicy& policy,
    std::mt19937_64& rng);

// True if the host's addresses say that it is this machine: all are refused, and one is an own
// address. As with a host of an own name, hosts of equal or worse preference are left out then (RFC
// 5321 section 5.1).
[[nodiscard]] bool is_this_machine(const AddressAnswer& answer, const AddressPolicy& policy);

// The same rules for an address literal.
[[nodiscard]] mta::Result<mta::Endpoint> plan_literal(const mta::IpAddress& address,
                                                      const AddressPolicy& policy);

// Keeps that error of several hosts which decides and is reported: the first temporary one, or else
// the first. So the mail for a domain is returned only if all of its hosts failed permanently, as
// RFC 5321 section 5.1 demands ("MUST be reported as an error") and as Postfix does.
void keep_most_hopeful(std::optional<mta::DeliveryError>& kept, mta::DeliveryError next);

}  // namespace dns
