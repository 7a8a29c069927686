#include "mta/api/monitoring/destinations_answer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mta/api/monitoring/destination_json.h"
#include "mta/api/parameters.h"

namespace mta::api {
namespace {

using nlohmann::json;

constexpr std::size_t limit_default = 1000;
constexpr std::size_t limit_max = 10'000;

}  // namespace

Outcome<outbound::DestinationList> list_destinations(const Call& call, std::size_t limit,
                                                     AskDestinations ask) {
    MTA_TRY(shards, call.of_all<outbound::DestinationList>(
                        [ask, limit](Desk& desk, Instant) { return ask(desk, limit); }));
    outbound::DestinationList all;
    for (auto& shard : shards) {
        all.count += shard.count;
        std::ranges::move(shard.views, std::back_inserter(all.views));
    }
    return all;
}

json destinations_json(const std::vector<outbound::DestinationView>& views, std::size_t limit) {
    json out = json::array();
    for (std::size_t i = 0; i < std::min(limit, views.size()); ++i)
        out.push_back(to_json(views[i]));
    return out;
}

http::Response answer_destinations(const Call& call, const http::Request& request) {
    std::size_t limit = limit_default;
    for (const auto& [name, value] : request.query) {
        if (name != "limit") return failure(400, "unknown parameter \"" + name + '"');
        if (value.empty()) continue;
        const auto parsed = parse_limit(value, limit_max);
        if (!parsed) return failure(parsed.error());
        limit = *parsed;
    }
    auto found = list_destinations(call, limit, [](const Desk& desk, std::size_t most) {
        return desk.busy_destinations(most);
    });
    if (!found) return failure(found.error());
    std::ranges::sort(found->views, {}, &outbound::DestinationView::name);
    return success(
        {{"destinations", destinations_json(found->views, limit)}, {"count", found->count}});
}

}  // namespace mta::api
