#include "mta/api/orders/order_request.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "mta/api/selection.h"

namespace mta::api {
namespace {

using nlohmann::json;

constexpr std::size_t reason_bytes_max = 500;

std::string words_of(const OrderKind& kind, const OrderValues& values) {
    std::string words(kind.name());
    for (const auto& [name, value] : values)
        if (name != "cursor") words.append(1, ' ').append(name).append(1, '=').append(value);
    return words;
}

// Flags that are true have the value "true". An empty body is an empty object.
Outcome<OrderValues> parse_body(const std::string& body, const OrderKind& kind) {
    OrderValues values;
    if (body.empty()) return values;
    const auto parsed = json::parse(body, nullptr, false);
    if (!parsed.is_object()) {
        return std::unexpected(Problem{400, "the body must be a JSON object"});
    }
    for (const auto& [name, value] : parsed.items()) {
        const bool is_flag = name == "all" || name == "dry_run";
        const bool is_known = is_flag || name == "cursor" || is_filter_name(name) ||
                              (name == "reason" && kind.has_reason);
        if (!is_known) return std::unexpected(Problem{400, "unknown member \"" + name + "\""});
        if (is_flag ? !value.is_boolean() : !value.is_string()) {
            return std::unexpected(Problem{
                400, "\"" + name + "\" must be " + (is_flag ? "true or false" : "a string")});
        }
        if (!is_flag) values[name] = value.get<std::string>();
        if (is_flag && value.get<bool>()) values[name] = "true";
    }
    return values;
}

bool take_cursor(OrderRequest& order, std::string_view text) {
    const auto dash = text.rfind('-');
    if (dash == text.npos || dash == 0) return false;
    const auto cursor = parse_cursor(text.substr(0, dash));
    std::int64_t began_unix_ms = 0;
    const auto* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + dash + 1, end, began_unix_ms);
    if (!cursor || parsed.ec != std::errc{} || parsed.ptr != end) return false;
    order.from = *cursor;
    order.began = from_unix_ms(began_unix_ms);
    return true;
}

// A reason goes into a report: one line of text.
bool is_good_reason(std::string_view reason) {
    return !reason.empty() && reason.size() <= reason_bytes_max &&
           std::ranges::none_of(reason, [](char c) {
               const auto byte = static_cast<unsigned char>(c);
               return byte < 0x20 || byte == 0x7f;
           });
}

}  // namespace

Outcome<OrderRequest> parse_order(const Call& call, const OrderKind& kind,
                                  const std::string& body) {
    MTA_TRY(values, parse_body(body, kind));
    MTA_TRY(now, call.now());
    OrderRequest order;
    order.began = now;
    order.words = words_of(kind, values);
    const auto cursor = values.find("cursor");
    if (cursor != values.end() && !cursor->second.empty() &&
        (!take_cursor(order, cursor->second) || order.from.shard >= call.shard_count())) {
        return std::unexpected(
            Problem{400, "cursor must be one that an earlier answer to the same order gave"});
    }
    // In every part of the order, ages count from its beginning.
    auto filter = parse_filter(values, order.began);
    if (!filter) return std::unexpected(Problem{400, std::move(filter).error()});
    order.filter = std::move(*filter);
    if (order.filter.is_everything() && !values.contains("all") && !kind.is_all_by_itself) {
        return std::unexpected(
            Problem{400, "say which messages: id, from, to, domain, ... or all"});
    }
    if (const auto reason = values.find("reason");
        reason != values.end() && !is_good_reason(reason->second)) {
        return std::unexpected(Problem{400, "reason must be one line of text, at most 500 bytes"});
    }
    if (!order.filter.arrived_before || *order.filter.arrived_before > order.began)
        order.filter.arrived_before = order.began;
    order.act = kind.make(values);
    order.is_dry_run = values.contains("dry_run");
    return order;
}

std::string to_cursor(const Cursor& cursor, Instant began) {
    return to_string(cursor) + '-' + std::to_string(to_unix_ms(began));
}

}  // namespace mta::api
