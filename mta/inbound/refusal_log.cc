#include "mta/inbound/refusal_log.h"

#include <numeric>

namespace mta::inbound {
namespace {

constexpr Millis interval{1000};

}  // namespace

RefusalLog::RefusalLog(io::Loop& loop, const io::Clock& clock, Log& log)
    : clock_(clock), log_(log), timer_(loop, [this] { write(); }) {}

void RefusalLog::add(Cause cause, const IpAddress& client) {
    ++counts_.at(static_cast<std::size_t>(cause));
    last_client_ = client;
    if (!timer_.is_set()) write();
}

void RefusalLog::write() {
    const auto total = std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
    if (total == 0) return;
    LogLine line("connections_refused");
    line.with("count", total);
    constexpr std::array<std::string_view, causes> names = {"too_many", "from_address",
                                                            "from_network"};
    for (std::size_t i = 0; i < causes; ++i) {
        if (counts_.at(i) > 0) line.with(names.at(i), counts_.at(i));
    }
    log_.write(clock_.now(), Level::info, line.with("last_client", last_client_.to_string()));
    counts_.fill(0);
    timer_.set(interval);
}

}  // namespace mta::inbound
