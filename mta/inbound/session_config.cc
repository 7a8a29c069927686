#include "mta/inbound/session_config.h"

#include <chrono>
#include <utility>

namespace mta::inbound {

SessionConfig::SessionConfig(std::shared_ptr<const conf::Settings> from)
    : settings(std::move(from)), policy(settings->relay, settings->inbound) {
    const auto& inbound = settings->inbound;
    options.hostname = settings->hostname;
    options.postmaster = settings->postmaster;
    options.message_bytes_max = inbound.message_bytes_max;
    options.recipients_max = inbound.recipients_max;
    options.received_hops_max = inbound.received_hops_max;
    options.command_timeout = inbound.command_timeout;
    options.data_timeout = inbound.data_timeout;
    options.data_rate_bytes_min = inbound.data_rate_bytes_min;
    options.future_release_max = inbound.future_release_max;
    // Rounded up, so that the announced limit is not below the configured one.
    options.deliver_by_min_s = static_cast<std::uint32_t>(
        std::chrono::ceil<std::chrono::seconds>(inbound.deliver_by_min).count());
    options.extensions.mt_priority = true;
    options.extensions.deliver_by = true;
    options.extensions.future_release = inbound.future_release_max >= std::chrono::seconds{1};
}

}  // namespace mta::inbound
