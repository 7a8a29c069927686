#include "mta/inbound/session_config.h"

#include <utility>

namespace mta::inbound {

SessionConfig::SessionConfig(std::shared_ptr<const conf::Settings> from)
    : settings(std::move(from)), policy(settings->relay) {
    const auto& inbound = settings->inbound;
    options.hostname = settings->hostname;
    options.postmaster = settings->postmaster;
    options.message_bytes_max = inbound.message_bytes_max;
    options.recipients_max = inbound.recipients_max;
    options.received_hops_max = inbound.received_hops_max;
    options.command_timeout = inbound.command_timeout;
    options.data_timeout = inbound.data_timeout;
    options.data_rate_bytes_min = inbound.data_rate_bytes_min;
}

}  // namespace mta::inbound
