#include "mta/outbound/destination/site_limits.h"

#include <algorithm>

#include "mta/base/domain.h"

namespace mta::outbound {
namespace {

bool matches(std::string_view pattern, std::string_view name) {
    if (pattern == "*") return true;
    if (pattern.starts_with('.')) return is_under(name, pattern.substr(1));
    return pattern == name;
}

}  // namespace

SiteLimits site_limits(const conf::Settings& settings, SiteRule rule) {
    const auto& delivery = settings.delivery;
    SiteLimits limits{.connections_max = delivery.connections_per_destination_max,
                      .messages_per_connection_max = delivery.messages_per_connection_max,
                      .recipients_per_transaction_max = delivery.recipients_per_transaction_max,
                      .message_rate = std::nullopt,
                      .connection_rate = std::nullopt,
                      .ip = delivery.ip,
                      .without = {}};
    if (!rule) return limits;
    const auto& site = settings.sites.at(*rule);
    limits.connections_max = site.connections_max.value_or(limits.connections_max);
    limits.messages_per_connection_max =
        site.messages_per_connection_max.value_or(limits.messages_per_connection_max);
    limits.recipients_per_transaction_max =
        site.recipients_per_transaction_max.value_or(limits.recipients_per_transaction_max);
    limits.message_rate = site.message_rate;
    limits.connection_rate = site.connection_rate;
    limits.ip = site.ip.value_or(limits.ip);
    limits.without = site.without;
    return limits;
}

SiteRule find_site_rule(const conf::Settings& settings, std::string_view name) {
    const auto found = std::ranges::find_if(settings.sites, [name](const conf::Site& site) {
        return std::ranges::any_of(
            site.match, [name](const std::string& pattern) { return matches(pattern, name); });
    });
    if (found == settings.sites.end()) return std::nullopt;
    return static_cast<std::size_t>(found - settings.sites.begin());
}

SiteRule first_rule(SiteRule a, SiteRule b) { return a && b ? std::min(a, b) : (a ? a : b); }

}  // namespace mta::outbound
