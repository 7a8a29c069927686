#include "mta/api/monitoring/destination_json.h"

#include "mta/api/json_values.h"
#include "mta/base/time_format.h"

namespace mta::api {

using nlohmann::json;

json to_json(const outbound::DestinationView& view) {
    json unwell = json::array();
    for (const auto& address : view.unwell)
        unwell.push_back({{"host", address.host},
                          {"address", address.address},
                          {"since", format_rfc3339(address.since)},
                          {"next_try", format_rfc3339(address.next_try)},
                          {"error", reply_of(address.error)}});
    json suspended = json::array();
    for (const auto& source : view.suspended)
        suspended.push_back({{"source", source.source},
                             {"until", format_rfc3339(source.until)},
                             {"error", reply_of(source.error)}});
    return {{"name", view.name},
            {"source", text_or_null(view.source)},
            {"waiting", view.waiting},
            {"delivering", view.delivering},
            {"connections", view.connections},
            {"connections_limit", view.connections_limit},
            {"down_since", time_or_null(view.down_since)},
            {"next_probe", time_or_null(view.next_probe)},
            {"opens_at", time_or_null(view.opens_at)},
            {"last_error", error_or_null(view.last_error)},
            {"unwell_addresses", std::move(unwell)},
            {"suspended_sources", std::move(suspended)}};
}

}  // namespace mta::api
