#include "mta/api/monitoring.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "mta/api/call.h"
#include "mta/api/json.h"
#include "mta/api/metrics.h"
#include "mta/api/shard_call.h"
#include "mta/base/time_format.h"

namespace mta::admin {
namespace {

using nlohmann::json;
using outbound::QueueManager;

struct Figures {
    outbound::Counters counters;
    outbound::Latencies latencies;
};

std::optional<Figures> ask(const std::vector<Api::Post>& shards, Millis patience) {
    Figures sum;
    for (const auto& post : shards) {
        const auto one = call_shard<Figures>(
            post, patience, [](QueueManager& manager, Instant, const auto& slot) {
                slot->put({manager.counters(), manager.latencies()});
            });
        if (!one) return std::nullopt;
        add(sum.counters, one->counters);
        add(sum.latencies, one->latencies);
    }
    return sum;
}

json to_json(const outbound::DestinationDepth& destination) {
    auto out = admin::to_json(destination.view);
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

Response Monitoring::metrics() {
    const auto status = get_status_();
    const auto figures = ask(shards_, patience_);
    auto survey = survey_.get();
    if (!status || !figures || !survey) return too_busy();
    return {200,
            metrics_text({.status = *status,
                          .counters = figures->counters,
                          .latencies = figures->latencies,
                          .survey = std::move(*survey)}),
            metrics_content_type};
}

Response Monitoring::top() {
    const auto status = get_status_();
    const auto figures = ask(shards_, patience_);
    const auto survey = survey_.get();
    if (!status || !figures || !survey) return too_busy();
    json destinations = json::array();
    for (const auto& destination : survey->destinations)
        destinations.push_back(to_json(destination));
    const json out = {
        {"status", admin::to_json(*status)},       {"queue", admin::to_json(figures->counters)},
        {"destinations", std::move(destinations)}, {"others", to_json(survey->others)},
        {"others_count", survey->others_count},    {"made", format_rfc3339(survey->made)}};
    return {200, dump(out)};
}

}  // namespace mta::admin
