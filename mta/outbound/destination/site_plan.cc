#include "mta/outbound/destination/site_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace mta::outbound {
namespace {

std::string join(const std::vector<std::string>& names) {
    std::string joined;
    for (const auto& name : names) joined += (joined.empty() ? "" : ",") + name;
    return joined;
}

// "mx1.them.example/mx2.them.example,backup.them.example": equals have a slash between them, and
// a host that is asked after others has a comma before it.
std::string names_in_order(const std::vector<dns::MxRecord>& records) {
    std::map<std::string_view, std::uint16_t> best;  // of a host's several mentions
    for (const auto& record : records) {
        const auto [known, is_new] = best.emplace(record.exchange, record.preference);
        if (!is_new) known->second = std::min(known->second, record.preference);
    }
    std::set<std::pair<std::uint16_t, std::string_view>> ordered;
    for (const auto& [host, preference] : best) ordered.emplace(preference, host);
    std::string joined;
    std::optional<std::uint16_t> former;
    for (const auto& [preference, host] : ordered) {
        if (former) joined += *former == preference ? '/' : ',';
        joined.append(host);
        former = preference;
    }
    return joined;
}

std::string name_of(const conf::NextHopHost& host) {
    const bool is_v6 = host.host.contains(':');
    return (is_v6 ? "[" + host.host + "]" : host.host) + ":" + std::to_string(host.port);
}

SitePlan plan_for(const std::string& kind, const std::string& hosts, std::string_view source,
                  NextHop next_hop) {
    SitePlan plan;
    plan.key = site_key({.next_hop = kind + hosts, .source = source});
    plan.name = hosts;
    if (!source.empty()) plan.name.append(" from ").append(source);
    plan.source = source;
    plan.next_hop = std::move(next_hop);
    return plan;
}

}  // namespace

std::string site_key(const SiteIdentity& identity) {
    // None of the parts has a line end in it: no two identities make the same key.
    std::string key(identity.next_hop);
    key.append("\nfrom ").append(identity.source);
    key.append("\ntls ").append(identity.tls_policy);
    if (!identity.hours.empty()) key.append("\nat ").append(identity.hours);
    return key;
}

SitePlan plan_for_route(const conf::Route& route, std::string_view source) {
    std::vector<std::string> names;
    for (const auto& host : route.hosts) names.push_back(name_of(host));
    std::string hours;
    for (const auto& window : route.deliver_between)
        hours += (hours.empty() ? "" : ",") + to_string(window);
    auto plan = plan_for("route ", join(names), source, StaticHosts{route.hosts});
    plan.key = site_key({.next_hop = "route " + join(names), .source = source, .hours = hours});
    if (!hours.empty()) plan.name.append(" at ").append(hours);
    plan.deliver_between = route.deliver_between;
    return plan;
}

SitePlan plan_for_mx(const std::string& domain, MxLookup answer, std::string_view source) {
    const auto hosts = *answer ? names_in_order((*answer)->records) : domain;
    return plan_for("mx ", hosts, source, MxHosts{domain, std::move(answer)});
}

SitePlan plan_for_literal(const std::string& domain, std::string_view source) {
    return plan_for("literal ", domain, source, LiteralHost{domain});
}

}  // namespace mta::outbound
