#include "mta/api/trace.h"

#include <algorithm>
#include <expected>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mta/api/selection.h"
#include "mta/base/time_format.h"

namespace mta::api {
namespace {

using nlohmann::json;
using outbound::TraceLine;
using Fetched = std::expected<outbound::Tracing::Fetched, std::string>;

constexpr std::size_t name_bytes_max = 100;

std::string_view name_of(TraceLine::Kind kind) {
    switch (kind) {
        case TraceLine::Kind::sent: return "sent";
        case TraceLine::Kind::received: return "received";
        case TraceLine::Kind::note: return "note";
        case TraceLine::Kind::end: return "end";
    }
    return "note";
}

json to_json(const TraceLine& line, std::size_t shard) {
    // Each shard numbers its own connections, so the shard's number is part of the name.
    return {{"at", format_rfc3339(line.at)},
            {"kind", name_of(line.kind)},
            {"connection", std::to_string(shard) + '-' + std::to_string(line.connection)},
            {"host", line.remote},
            {"id", queue::format_id(line.id)},
            {"text", line.text}};
}

struct TraceOrder {
    std::string watch;
    std::string what;
    bool is_end = false;
};

// The error is a sentence.
std::expected<TraceOrder, std::string> parse_order(const std::string& body) {
    const auto parsed = json::parse(body, nullptr, false);
    if (!parsed.is_object()) return std::unexpected("the body must be a JSON object");
    TraceOrder order;
    for (const auto& [name, value] : parsed.items()) {
        if (name == "end" && value.is_boolean()) {
            order.is_end = value.get<bool>();
        } else if (name == "watch" && value.is_string()) {
            order.watch = value.get<std::string>();
        } else if (name == "what" && value.is_string()) {
            order.what = value.get<std::string>();
        } else {
            return std::unexpected("\"" + name + "\" is unknown or of the wrong type");
        }
    }
    if (order.watch.empty() || order.watch.size() > name_bytes_max)
        return std::unexpected("\"watch\" must be a name of your own, of 1 to 100 bytes");
    if (order.is_end || order.what.contains('@')) return order;
    auto domain = domain_form(order.what);
    if (!domain || domain->starts_with('.'))
        return std::unexpected("\"what\" must be a mail address or a domain");
    order.what = std::move(*domain);
    return order;
}

}  // namespace

http::Response answer_trace(const Call& call, const http::Request& request) {
    const auto order = parse_order(request.body);
    if (!order) return failure(400, order.error());
    std::vector<std::pair<Instant, json>> lines;
    std::uint64_t dropped = 0;
    for (std::size_t shard = 0; shard < call.shard_count(); ++shard) {
        const auto answer =
            call.of<Fetched>(shard, [order = *order](Desk& desk, Instant) -> Fetched {
                if (!order.is_end) return desk.trace(order.watch, order.what);
                desk.end_trace(order.watch);
                return outbound::Tracing::Fetched{};
            });
        if (!answer) return failure(503, "the relay is too busy to answer; try again");
        if (!*answer) return failure(429, answer->error());
        for (const auto& line : (*answer)->lines) lines.emplace_back(line.at, to_json(line, shard));
        dropped += (*answer)->dropped;
    }
    std::ranges::stable_sort(lines, {}, &std::pair<Instant, json>::first);
    json out = {{"lines", json::array()}, {"dropped", dropped}};
    for (auto& line : lines) out["lines"].push_back(std::move(line.second));
    return success(out);
}

}  // namespace mta::api
