#include "mta/inbound/refusal_log.h"

#include <numeric>

namespace mta::inbound {
namespace {

constexpr Millis interval{1000};

}  // namespace

RefusalLog::RefusalLog(io::Loop& loop, const io::Clock& clock, const events::Dispatcher& events)
    : clock_(clock), events_(events), timer_(loop, [this] { write(); }) {}

void RefusalLog::add(Cause cause, const IpAddress& client) {
    ++counts_.at(static_cast<std::size_t>(cause));
    last_client_ = client;
    if (!timer_.is_set()) write();
}

void RefusalLog::write() {
    const auto total = std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
    if (total == 0) return;
    const auto count = [this](Cause cause) { return counts_.at(static_cast<std::size_t>(cause)); };
    events_.send(clock_.now(),
                 events::ConnectionsRefused{.too_many = count(Cause::too_many),
                                            .from_address = count(Cause::from_address),
                                            .from_network = count(Cause::from_network),
                                            .last_client = last_client_});
    counts_.fill(0);
    timer_.set(interval);
}

}  // namespace mta::inbound
