#include "mta/api/queue/queue_question.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "mta/api/parameters.h"
#include "mta/api/selection.h"

namespace mta::api {
namespace {

constexpr std::size_t limit_max = 1000;

Outcome<bool> parse_flag(std::string_view name, const std::string& value) {
    if (value == "true" || value == "false") return value == "true";
    return std::unexpected(Problem{400, std::string(name) + " must be true or false"});
}

// Sets a parameter that is not part of the filter.
Outcome<void> take_parameter(QueueQuestion& question, const std::string& name,
                             const std::string& value) {
    if (name == "limit") {
        MTA_TRY(limit, parse_limit(value, limit_max));
        question.limit = limit;
    } else if (name == "cursor") {
        question.cursor = value;
    } else if (name == "sort") {
        const auto by = parse_sort(value);
        if (!by) {
            return std::unexpected(
                Problem{400, "sort must be age, size, next, attempts, sender or destination"});
        }
        if (!question.order) question.order.emplace();
        question.order->by = *by;
    } else if (name == "by") {
        question.by = parse_group(value);
        if (!question.by) {
            return std::unexpected(
                Problem{400, "by must be destination, domain, sender, reason or state"});
        }
    } else if (name == "reverse") {
        MTA_TRY(is_reversed, parse_flag(name, value));
        if (is_reversed && !question.order) question.order.emplace();
        if (question.order) question.order->is_reversed = is_reversed;
    } else if (name == "count") {
        MTA_TRY(only_counts, parse_flag(name, value));
        question.only_counts = only_counts;
    }
    return {};
}

bool is_parameter(const std::string& name) {
    constexpr std::array<std::string_view, 6> others = {"limit",   "cursor", "sort",
                                                        "reverse", "by",     "count"};
    return is_filter_name(name) || std::ranges::find(others, name) != others.end();
}

}  // namespace

Outcome<QueueQuestion> parse_queue_question(const http::Request& request, Instant now) {
    QueueQuestion question;
    for (const auto& [name, value] : request.query) {
        if (!is_parameter(name))
            return std::unexpected(Problem{400, "unknown parameter \"" + name + "\""});
        if (value.empty()) continue;
        if (auto taken = take_parameter(question, name, value); !taken)
            return std::unexpected(std::move(taken).error());
    }
    auto filter = parse_filter(request.query, now);
    if (!filter) return std::unexpected(Problem{400, std::move(filter).error()});
    question.filter = std::move(*filter);
    return question;
}

}  // namespace mta::api
