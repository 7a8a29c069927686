#include "dns/mx_plan.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mta/base/domain.h"
#include "mta/base/limits.h"

namespace dns {
namespace {

constexpr mta::EnhancedStatus no_such_domain{5, 1, 2};
constexpr mta::EnhancedStatus takes_no_mail{5, 1, 10};  // RFC 7505 section 5
constexpr mta::EnhancedStatus no_address{5, 4, 4};
constexpr mta::EnhancedStatus would_loop{5, 4, 6};
constexpr mta::EnhancedStatus dns_trouble{4, 4, 3};

mta::DeliveryError error(mta::EnhancedStatus status, std::string text) {
    return {.status = status, .scope = mta::Scope::domain, .text = std::move(text)};
}

mta::DeliveryError try_again_later(const std::string& name, const LookupError& why) {
    return error(dns_trouble,
                 "The DNS gave no usable answer about " + name + " for now: " + why.text + ".");
}

bool is_own_name(const std::vector<std::string>& own_names, const std::string& host) {
    return std::ranges::any_of(
        own_names, [&](const std::string& own) { return mta::equals_ignoring_case(own, host); });
}

// The records, best first. Null MX records, which have no meaning beside others (RFC 7505 section
// 3), and all but the best record of each host are left out.
std::vector<MxRecord> in_order(const std::vector<MxRecord>& records, std::mt19937_64& rng) {
    std::vector<MxRecord> ordered;
    std::ranges::copy_if(records, std::back_inserter(ordered), [](const MxRecord& record) {
        return record.exchange != "." && !record.exchange.empty();
    });
    // The shuffle comes first, so that the stable sort leaves equal preferences in random order.
    std::ranges::shuffle(ordered, rng);
    std::ranges::stable_sort(ordered, {}, &MxRecord::preference);
    std::vector<MxRecord> distinct;
    for (auto& record : ordered) {
        const bool is_known =
            std::ranges::find(distinct, record.exchange, &MxRecord::exchange) != distinct.end();
        if (is_known) continue;
        distinct.push_back(std::move(record));
    }
    return distinct;
}

mta::Result<std::vector<std::string>> plan_without_mx(const std::string& domain,
                                                      const LookupError& why,
                                                      const std::vector<std::string>& own_names) {
    if (why.is_temporary()) return std::unexpected(try_again_later(domain, why));
    if (why.kind == LookupError::Kind::no_such_domain) {
        return std::unexpected(
            error(no_such_domain, "The domain " + domain + " does not exist (NXDOMAIN)."));
    }
    if (is_own_name(own_names, domain)) {
        return std::unexpected(error(
            would_loop, "The domain " + domain +
                            " is this mail server itself, which has nowhere to deliver its mail "
                            "to: it would run in a circle. It needs a [[route]]."));
    }
    return std::vector{domain};
}

bool is_refused(const mta::IpAddress& address, const AddressPolicy& policy) {
    const bool is_allowed = std::ranges::any_of(
        policy.allow_networks, [&](const mta::Network& net) { return net.contains(address); });
    if (is_allowed) return false;
    return address.is_loopback_or_unspecified() || address.is_link_local() ||
           address.is_multicast_or_reserved() ||
           std::ranges::find(policy.own_addresses, address) != policy.own_addresses.end();
}

mta::DeliveryError refused_address(const std::string& who, const mta::IpAddress& address) {
    return error(would_loop,
                 who + " has the address " + address.to_string() +
                     ", which belongs to this machine or to no mail server on the Internet, so "
                     "nothing is delivered there. If it is right, list it in "
                     "delivery.allow_networks.");
}

// The addresses as IPv6, IPv4, IPv6 and so on, with the rest of the longer family at the end.
std::vector<mta::IpAddress> in_turns(const std::vector<mta::IpAddress>& addresses) {
    std::vector<mta::IpAddress> families[2];
    for (const auto& address : addresses) families[address.is_v6() ? 0 : 1].push_back(address);
    std::vector<mta::IpAddress> mixed;
    for (std::size_t i = 0; mixed.size() < addresses.size(); ++i) {
        for (const auto& family : families) {
            if (i < family.size()) mixed.push_back(family[i]);
        }
    }
    return mixed;
}

}  // namespace

std::optional<mta::IpAddress> address_of_literal(std::string_view domain) {
    if (!domain.starts_with('[') || !domain.ends_with(']')) return std::nullopt;
    auto text = domain.substr(1, domain.size() - 2);
    constexpr std::string_view tag = "IPv6:";
    const bool is_v6 = mta::equals_ignoring_case(text.substr(0, tag.size()), tag);
    if (is_v6) text.remove_prefix(tag.size());
    const bool has_colon = text.find(':') != text.npos;
    if (is_v6 != has_colon) return std::nullopt;
    return mta::IpAddress::parse(text);
}

mta::Result<std::vector<std::string>> plan_hosts(const std::string& domain,
                                                 const Lookup<MxAnswer>& answer,
                                                 const std::vector<std::string>& own_names,
                                                 std::mt19937_64& rng) {
    if (!answer) return plan_without_mx(domain, answer.error(), own_names);
    const auto records = in_order(answer->records, rng);
    if (records.empty()) {
        return std::unexpected(
            error(takes_no_mail, "The domain " + domain + " accepts no mail at all (null MX)."));
    }
    std::vector<std::string> hosts;
    const auto own = std::ranges::find_if(
        records, [&](const MxRecord& record) { return is_own_name(own_names, record.exchange); });
    for (const auto& record : records) {
        if (own != records.end() && record.preference >= own->preference) break;
        if (hosts.size() == mta::limits::mx_hosts_max) break;
        hosts.push_back(record.exchange);
    }
    if (hosts.empty()) {
        return std::unexpected(
            error(would_loop, "The best mail server (MX) of " + domain + " is " + own->exchange +
                                  ", this mail server itself, which has nowhere to deliver its "
                                  "mail to: it would run in a circle. It needs a [[route]]."));
    }
    return hosts;
}

mta::Result<std::vector<mta::Endpoint>> plan_addresses(const std::string& host,
                                                       const Lookup<AddressAnswer>& answer,
                                                       const AddressPolicy& policy,
                                                       std::mt19937_64& rng) {
    if (!answer) {
        const auto& why = answer.error();
        if (why.is_temporary()) return std::unexpected(try_again_later(host, why));
        return std::unexpected(error(
            no_address, why.kind == LookupError::Kind::no_such_domain
                            ? "The mail server " + host + " does not exist in the DNS (NXDOMAIN)."
                            : "The mail server " + host + " has no IP address in the DNS."));
    }
    auto addresses = answer->addresses;
    std::erase_if(addresses, [&](const auto& address) { return is_refused(address, policy); });
    if (addresses.empty()) {
        return std::unexpected(
            refused_address("The mail server " + host, answer->addresses.front()));
    }
    std::ranges::shuffle(addresses, rng);
    std::vector<mta::Endpoint> endpoints;
    for (const auto& address : in_turns(addresses)) {
        if (endpoints.size() == policy.addresses_max) break;
        endpoints.push_back({address, policy.port});
    }
    return endpoints;
}

bool is_this_machine(const AddressAnswer& answer, const AddressPolicy& policy) {
    return std::ranges::all_of(answer.addresses,
                               [&](const auto& a) { return is_refused(a, policy); }) &&
           std::ranges::find_first_of(answer.addresses, policy.own_addresses) !=
               answer.addresses.end();
}

mta::Result<mta::Endpoint> plan_literal(const mta::IpAddress& address,
                                        const AddressPolicy& policy) {
    if (is_refused(address, policy)) {
        return std::unexpected(refused_address("The domain " + address.to_literal(), address));
    }
    return mta::Endpoint{address, policy.port};
}

void keep_most_hopeful(std::optional<mta::DeliveryError>& kept, mta::DeliveryError next) {
    const bool is_better = kept && kept->is_permanent() && !next.is_permanent();
    if (!kept || is_better) kept = std::move(next);
}

}  // namespace dns
