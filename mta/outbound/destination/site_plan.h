#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/settings.h"
#include "mta/outbound/destination/next_hop.h"

namespace mta::outbound {

// What makes a destination: mail that differs in any of these shares neither connections nor limits
// nor health.
struct SiteIdentity {
    std::string_view next_hop;  // "route exchange.lan:25", "mx mx1.them.example,mx2.them.example"
    std::string_view source = {};      // the pool of [[source]]s; empty: the system's choice
    std::string_view tls_policy = {};  // empty: none
    std::string_view hours = {};       // "22:00-06:00"; empty: always
};
[[nodiscard]] std::string site_key(const SiteIdentity& identity);

// Where a destination's hosts come from, and by that what is one destination: domains with the same
// static route, or with the same MX hosts in the same order of preference, share it with its limits
// and connections, as long as their mail comes from the same pool of sources. (A host's health and
// limit are the host's own, whatever destinations it is in.)
struct SitePlan {
    std::string key;  // of the site: what is the same is one
    // For people, and another one for each key: "mx1.them.example,mx2.them.example from pool" (a
    // slash in place of the comma between equals), "exchange.lan:25 at 22:00-06:00".
    std::string name;
    std::string source;  // the pool of [[source]]s that its connections come from; empty: none
    NextHop next_hop;
    std::vector<DailyWindow> deliver_between;  // the hours of a route; empty: always

    // The administrator has named the hosts.
    [[nodiscard]] bool is_static() const { return std::holds_alternative<StaticHosts>(next_hop); }
};
[[nodiscard]] SitePlan plan_for_route(const conf::Route& route, std::string_view source = {});
// Only for an answer that leaves hosts to try: records, or no_data (the domain itself is the host).
[[nodiscard]] SitePlan plan_for_mx(const std::string& domain, MxLookup answer,
                                   std::string_view source = {});
[[nodiscard]] SitePlan plan_for_literal(const std::string& domain, std::string_view source = {});

}  // namespace mta::outbound
