#include "mta/outbound/destination/host_limits.h"

#include <algorithm>

#include "mta/base/limits.h"
#include "queue/backoff.h"

namespace mta::outbound {

HostLimits::HostLimits()
    : known_(limits::hosts_remembered_max,
             [](const HostPtr& host) { return host.use_count() == 1; }) {}

HostLimits::HostPtr HostLimits::host(const std::string& name, queue::ConcurrencyPolicy policy) {
    auto& host = known_.touch(name);
    if (host) {
        host->concurrency.set_policy(policy);
    } else {
        host = std::make_shared<Host>();
        host->name = name;
        host->concurrency = queue::Concurrency(policy);
    }
    host->most = policy.max;
    return host;
}

void HostLimits::note_too_many(Host& host, std::uint32_t others, Instant now, double jitter) {
    host.concurrency.lower_to(std::max(others, 1u));
    host.silent.on_too_many();
    if (others > 0) return;
    ++host.refusals;
    host.closed_until =
        now + queue::exponential_delay(closed_min, closed_max, host.refusals, jitter);
}

}  // namespace mta::outbound
