#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "conf/settings.h"

namespace mta::outbound {

// What a destination may get at a time: of its [[site]], and for the rest of [delivery].
struct SiteLimits {
    std::uint32_t connections_max = 0;
    std::uint32_t messages_per_connection_max = 0;
    std::uint32_t recipients_per_transaction_max = 0;
    std::optional<Rate> message_rate;
    std::optional<Rate> connection_rate;
    conf::IpFamilies ip = conf::IpFamilies::v6_first;
    SmtpKeywords without;  // not to be used with its hosts

    [[nodiscard]] bool has_rates() const { return message_rate || connection_rate; }
};

// The index of the [[site]] that applies to a destination; empty if none matches.
using SiteRule = std::optional<std::size_t>;
[[nodiscard]] SiteLimits site_limits(const conf::Settings& settings, SiteRule rule);

// The first [[site]] that names a host or a domain, in the form of mta::to_a_labels() or an
// address.
[[nodiscard]] SiteRule find_site_rule(const conf::Settings& settings, std::string_view name);
// The one of two matching rules that counts: the first in the file.
[[nodiscard]] SiteRule first_rule(SiteRule a, SiteRule b);

}  // namespace mta::outbound
