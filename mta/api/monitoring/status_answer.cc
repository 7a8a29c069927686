#include "mta/api/monitoring/status_answer.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "mta/api/monitoring/destinations_answer.h"
#include "mta/api/monitoring/figures.h"
#include "mta/api/monitoring/status_json.h"

namespace mta::api {
namespace {

using nlohmann::json;
using outbound::DestinationList;
using outbound::DestinationView;

constexpr std::size_t in_trouble_max = 100;

// In the order in which each shard sorts its own.
std::vector<DestinationView> worst_first(DestinationList list) {
    std::ranges::sort(list.views, {}, [](const DestinationView& view) {
        return std::pair(-static_cast<std::int64_t>(view.waiting), view.down_since);
    });
    return std::move(list.views);
}

Outcome<json> status_json(const Call& call, const GetStatus& get_status) {
    const auto status = get_status();
    if (!status) return std::unexpected(too_busy());
    MTA_TRY(figures, ask_figures(call));
    MTA_TRY(in_trouble,
            list_destinations(call, in_trouble_max, [](const Desk& desk, std::size_t limit) {
                return desk.destinations_in_trouble(limit);
            }));
    auto out = to_json(*status);
    out["queue"] = to_json(figures.counters);
    out["destinations_in_trouble_count"] = in_trouble.count;
    out["destinations_in_trouble"] =
        destinations_json(worst_first(std::move(in_trouble)), in_trouble_max);
    return out;
}

}  // namespace

http::Response answer_status(const Call& call, const GetStatus& get_status) {
    const auto answer = status_json(call, get_status);
    return answer ? success(*answer) : failure(answer.error());
}

}  // namespace mta::api
