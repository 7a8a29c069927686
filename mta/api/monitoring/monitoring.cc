#include "mta/api/monitoring/monitoring.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "mta/api/monitoring/destination_json.h"
#include "mta/api/monitoring/metrics.h"
#include "mta/api/monitoring/status_json.h"
#include "mta/base/time_format.h"

namespace mta::api {
namespace {

using nlohmann::json;

json depth_json(const outbound::DestinationDepth& destination) {
    auto out = to_json(destination.view);
    const auto& depth = destination.depth;
    out["recipients"] = depth.recipients;
    out["oldest"] =
        depth.oldest == Instant::max() ? json(nullptr) : json(format_rfc3339(depth.oldest));
    json troubles = json::object();
    for (std::size_t i = 0; i < depth.by_trouble.size(); ++i) {
        const auto name = std::string(to_string(static_cast<outbound::Trouble>(i)));
        if (depth.by_trouble[i] > 0) troubles[name] = depth.by_trouble[i];
    }
    out["troubles"] = std::move(troubles);
    return out;
}

}  // namespace

Outcome<Monitoring::Found> Monitoring::find() {
    auto status = get_status_();
    if (!status) return std::unexpected(too_busy());
    MTA_TRY(figures, ask_figures(call_));
    MTA_TRY(survey, survey_.get());
    return Found{std::move(*status), std::move(figures), std::move(survey)};
}

http::Response Monitoring::metrics() {
    const auto found = find();
    if (!found) return failure(found.error());
    return {
        200,
        metrics_text({.status = found->status, .figures = found->figures, .survey = found->survey}),
        metrics_content_type};
}

http::Response Monitoring::top() {
    const auto found = find();
    if (!found) return failure(found.error());
    const auto& survey = found->survey;
    json destinations = json::array();
    for (const auto& destination : survey.destinations)
        destinations.push_back(depth_json(destination));
    return success({{"status", to_json(found->status)},
                    {"queue", to_json(found->figures.counters)},
                    {"destinations", std::move(destinations)},
                    {"others", depth_json(survey.others)},
                    {"others_count", survey.others_count},
                    {"made", format_rfc3339(survey.made)}});
}

}  // namespace mta::api
