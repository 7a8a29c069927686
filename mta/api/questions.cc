#include "mta/api/questions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include "mta/api/grouping.h"
#include "mta/api/ranking.h"
#include "mta/api/selection.h"
#include "mta/api/why_domain.h"
#include "mta/api/why_gone.h"
#include "mta/api/why_json.h"
#include "mta/api/why_words.h"

namespace mta::admin {
namespace {

using nlohmann::json;
using outbound::MessageFilter;
using outbound::QueueManager;

constexpr std::size_t limit_default = 100;
constexpr std::size_t limit_max = 1000;
// A page ends with the message that reaches so many, whatever its limit of messages: some 10 MB.
constexpr std::size_t page_recipients_max = 20'000;
constexpr std::size_t why_messages_max = 10;

json with_loading(json answer, const json& loading) {
    if (!loading.is_null()) answer["loading"] = loading;
    return answer;
}

// ---- GET /v1/queue ----

// The first ones that come, without order, until a page is full.
class FirstHits {
public:
    explicit FirstHits(std::size_t limit) : limit_(limit) {}
    [[nodiscard]] static bool needs_details() { return false; }
    bool add(const outbound::MessageHit& hit, std::size_t shard) {
        found_.push_back({hit.id, shard});
        recipients_ += hit.recipients_in_all;
        return !is_full();
    }
    [[nodiscard]] bool is_full() const {
        return found_.size() >= limit_ || recipients_ >= page_recipients_max;
    }
    [[nodiscard]] const std::vector<FoundMessage>& found() const { return found_; }

private:
    std::size_t limit_;
    std::size_t recipients_ = 0;
    std::vector<FoundMessage> found_;
};

struct QueueQuestion {
    MessageFilter filter;
    std::size_t limit = limit_default;
    std::string cursor;
    std::optional<Order> order;
    std::optional<GroupBy> by;
    bool only_counts = false;
};

Outcome<bool> parse_flag(const std::string& name, const std::string& value) {
    if (value == "true" || value == "false") return value == "true";
    return std::unexpected(Problem{400, name + " must be true or false"});
}

Outcome<std::size_t> parse_limit(const std::string& value, std::size_t most) {
    std::size_t limit = 0;
    const auto* const end = value.data() + value.size();
    const auto parsed = std::from_chars(value.data(), end, limit);
    if (parsed.ec != std::errc{} || parsed.ptr != end || limit == 0) {
        return std::unexpected(Problem{400, "limit must be a whole number from 1 on"});
    }
    return std::min(limit, most);
}

// What is no part of the filter.
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

Outcome<QueueQuestion> parse_queue_question(const Request& request, Instant now) {
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

std::unexpected<Problem> bad_cursor() {
    return std::unexpected(
        Problem{400, "cursor must be one that an earlier answer to the same question gave"});
}

// Whether it is what was looked for, now that the disk has told; if that could not, it may be.
bool is_meant(const MessageFilter& filter, const outbound::MessageView& message) {
    if (!filter.is_by_hash() || !message.message) return true;
    return std::ranges::any_of(message.recipients, [&](const auto& recipient) {
        return outbound::is_confirmed_by(filter, message, recipient);
    });
}

// The messages, but for those that have gone meanwhile or are not what was looked for after all.
Outcome<json> messages_json(const Call& call, const MessageFilter& filter,
                            const std::vector<FoundMessage>& found) {
    MTA_TRY(views, call.describe(found));
    json messages = json::array();
    for (const auto& message : views) {
        if (message && is_meant(filter, *message)) messages.push_back(to_json(*message));
    }
    return messages;
}

Outcome<json> unsorted(const Call& call, const QueueQuestion& question) {
    std::optional<Cursor> cursor = parse_cursor(question.cursor);
    if (!cursor || cursor->shard >= std::max<std::size_t>(call.shard_count(), 1))
        return bad_cursor();
    const auto found = std::make_shared<FirstHits>(question.limit);
    while (cursor && !found->is_full()) {
        MTA_TRY(next, call.scan(question.filter, *cursor, found));
        cursor = next;
    }
    MTA_TRY(messages, messages_json(call, question.filter, found->found()));
    json answer = {{"messages", std::move(messages)}};
    if (cursor) answer["next"] = to_string(*cursor);
    return answer;
}

std::vector<FoundMessage> found_in(const std::vector<Ranking::Place>& places) {
    std::vector<FoundMessage> found;
    found.reserve(places.size());
    for (const auto& place : places) found.push_back({place.rank.id, place.shard});
    return found;
}

// Leaves those that fill a page. Whether others were there.
bool cut_to_page(std::vector<Ranking::Place>& places) {
    std::size_t recipients = 0;
    std::size_t count = 0;
    while (count < places.size() && recipients < page_recipients_max)
        recipients += places[count++].recipients;
    const bool is_cut = count < places.size();
    places.resize(count);
    return is_cut;
}

Outcome<json> sorted(const Call& call, const QueueQuestion& question) {
    std::optional<Rank> after;
    if (!question.cursor.empty()) {
        after = parse_rank(question.cursor);
        if (!after) return bad_cursor();
    }
    const auto ranking = std::make_shared<Ranking>(*question.order, question.limit, after);
    if (auto done = call.scan_all(question.filter, ranking); !done)
        return std::unexpected(std::move(done).error());
    auto places = ranking->take();
    const bool is_cut = cut_to_page(places);
    MTA_TRY(messages, messages_json(call, question.filter, found_in(places)));
    auto total = to_json(ranking->totals());
    total.erase("next_attempt");
    json answer = {{"messages", std::move(messages)}, {"total", std::move(total)}};
    if (is_cut || ranking->has_more()) answer["next"] = to_cursor(places.back().rank);
    return answer;
}

json group_json(const Grouping::Group& group) {
    auto out = to_json(group.totals);
    out["name"] = group.name;
    return out;
}

Outcome<json> grouped(const Call& call, const QueueQuestion& question, const std::string& by) {
    const auto grouping = std::make_shared<Grouping>(*question.by);
    if (auto done = call.scan_all(question.filter, grouping); !done)
        return std::unexpected(std::move(done).error());
    json groups = json::array();
    for (const auto& group : grouping->take(question.limit)) groups.push_back(group_json(group));
    json answer = {
        {"by", by}, {"groups", std::move(groups)}, {"total", to_json(grouping->totals())}};
    if (const auto others = grouping->others(question.limit); others.totals.messages > 0)
        answer["others"] = to_json(others.totals);
    return answer;
}

class Counting {
public:
    [[nodiscard]] static bool needs_details() { return true; }
    bool add(const outbound::MessageHit& hit, std::size_t /*shard*/) {
        totals_.add(hit);
        return true;
    }
    [[nodiscard]] const Totals& totals() const { return totals_; }

private:
    Totals totals_;
};

Outcome<json> counted(const Call& call, const QueueQuestion& question) {
    const auto counting = std::make_shared<Counting>();
    if (auto done = call.scan_all(question.filter, counting); !done)
        return std::unexpected(std::move(done).error());
    return json{{"total", to_json(counting->totals())}};
}

Outcome<json> queue_json(const Call& call, const Request& request) {
    MTA_TRY(now, call.now());
    MTA_TRY(question, parse_queue_question(request, now));
    if (question.by) return grouped(call, question, request.query.at("by"));
    if (question.only_counts) return counted(call, question);
    return question.order ? sorted(call, question) : unsorted(call, question);
}

// ---- GET /v1/why ----

struct Why {
    Lines lines;
    json messages = json::array();
    bool is_ended = false;  // it is about recipients who were given up
};

// What why is asked about, and what is said if it is not known.
struct WhyQuestion {
    std::string what;
    MessageFilter filter;
    outbound::Endings::Query ended;
    Lines if_unknown;
};

// Nothing is known about it.
Lines unknown(const WhyQuestion& question, const OnUnknown& on_unknown) {
    auto lines = question.if_unknown;
    if (on_unknown) std::ranges::move(on_unknown(), std::back_inserter(lines));
    return lines;
}

Response why_response(const std::string& what, Why why, const json& loading) {
    if (!loading.is_null()) {
        why.lines.push_back(
            "The relay has just been started, and not all that was queued before is known yet (" +
            std::to_string(loading.value("loaded", std::uint64_t{0})) +
            (loading["of"].is_number() ? " of " + loading["of"].dump() : "") +
            " messages): ask again in a moment.");
    }
    const bool is_found = !why.messages.empty() || why.is_ended;
    return success(with_loading({{"what", what},
                                 {"found", is_found},
                                 {"lines", std::move(why.lines)},
                                 {"messages", std::move(why.messages)}},
                                loading));
}

void add_message(const outbound::MessageView& message, Instant now, Why& why) {
    if (!why.lines.empty()) why.lines.emplace_back();
    std::ranges::move(words_about(message, now), std::back_inserter(why.lines));
    why.messages.push_back(to_json_with_history(message));
}

// Nothing is queued for it; perhaps it was given up not long ago, and the report still is.
void add_ended(Ended ended, Instant now, Why& why) {
    why.is_ended = !ended.lines.empty();
    if (!why.is_ended) return;
    why.lines = std::move(ended.lines);
    for (const auto& report : ended.reports) add_message(report, now, why);
}

// The oldest ones that match, in words.
Outcome<void> add_messages(const Call& call, const MessageFilter& filter, Instant now, Why& why) {
    const auto ranking =
        std::make_shared<Ranking>(Order{}, why_messages_max, std::optional<Rank>());
    if (auto done = call.scan_all(filter, ranking); !done)
        return std::unexpected(std::move(done).error());
    MTA_TRY(views, call.describe(found_in(ranking->take())));
    for (const auto& message : views) {
        if (!message || !is_meant(filter, *message)) continue;
        add_message(*message, now, why);
    }
    if (const auto all = ranking->totals().messages; all > why_messages_max) {
        why.lines.emplace_back();
        why.lines.push_back("These are the " + std::to_string(why_messages_max) + " oldest of " +
                            std::to_string(all) + "; posthouse queue shows all.");
    }
    return {};
}

Response why_messages(const Call& call, const WhyQuestion& question, const json& loading,
                      const FindEnded& find_ended, const OnUnknown& on_unknown) {
    const auto now = call.now();
    if (!now) return failure(now.error());
    Why why;
    if (auto added = add_messages(call, question.filter, *now, why); !added)
        return failure(added.error());
    if (why.messages.empty()) add_ended(find_ended(question.ended), *now, why);
    if (why.lines.empty()) why.lines = unknown(question, on_unknown);
    return why_response(question.what, std::move(why), loading);
}

Response why_domain(const Call& call, const WhyQuestion& question, const json& loading,
                    const FindEnded& find_ended, const OnUnknown& on_unknown) {
    const auto views = call.of_all<std::optional<outbound::DomainView>>(
        [domain = question.filter.domain](QueueManager& manager, Instant) {
            return manager.domain(domain);
        });
    const auto now = call.now();
    if (!views || !now) return failure(!views ? views.error() : now.error());
    Why why;
    for (const auto& view : *views) {
        if (view) std::ranges::move(words_about(*view, *now), std::back_inserter(why.lines));
    }
    if (auto added = add_messages(call, question.filter, *now, why); !added)
        return failure(added.error());
    if (why.lines.empty()) add_ended(find_ended(question.ended), *now, why);
    if (why.lines.empty()) why.lines = unknown(question, on_unknown);
    return why_response(question.what, std::move(why), loading);
}

}  // namespace

Response answer_queue(const Call& call, const Request& request, const json& loading) {
    auto answer = queue_json(call, request);
    if (!answer) return failure(answer.error());
    return success(with_loading(std::move(*answer), loading));
}

Response answer_why(const Call& call, const std::string& what, const json& loading,
                    const FindEnded& find_ended, const OnUnknown& on_unknown) {
    if (what.empty()) {
        return failure(400, "why what? Name a queue id, a Message-ID, an address or a domain");
    }
    WhyQuestion question{
        .what = what, .filter = {}, .ended = {}, .if_unknown = words_about_unknown_address(what)};
    if (what == "<>") {
        question.filter.sender = "";
        return why_messages(call, question, loading, find_ended, on_unknown);
    }
    if (what.starts_with('<')) {
        question.filter.message_id = queue::bare_message_id(what);
        question.if_unknown = words_about_unknown_message_id(what);
        return why_messages(call, question, loading, find_ended, on_unknown);
    }
    if (what.contains('@')) {
        question.filter.mention = what;
        question.ended.address = what;
        return why_messages(call, question, loading, find_ended, on_unknown);
    }
    if (const auto id = queue::parse_id(what); id && !what.contains('.')) {
        question.filter.id = id;
        question.ended.id = *id;
        question.if_unknown = words_about_unknown_id(what);
        return why_messages(call, question, loading, find_ended, on_unknown);
    }
    const auto domain = domain_form(what);
    if (!domain || domain->starts_with('.')) {
        return failure(400,
                       "\"" + what + "\" is no queue id, no Message-ID, no address and no domain");
    }
    question.filter.domain = *domain;
    question.ended.domain = *domain;
    question.if_unknown = words_about_unknown_domain(what);
    return why_domain(call, question, loading, find_ended, on_unknown);
}

// ---- GET /v1/status, /v1/destinations ----

namespace {

constexpr std::size_t in_trouble_max = 100;
constexpr std::size_t destinations_default = 1000;
constexpr std::size_t destinations_max = 10'000;

// Of all shards, `limit` of each: `ask(manager, limit)`.
Outcome<outbound::DestinationList> list_destinations(
    const Call& call, std::size_t limit,
    outbound::DestinationList (*ask)(const QueueManager&, std::size_t)) {
    MTA_TRY(shards,
            call.of_all<outbound::DestinationList>(
                [ask, limit](QueueManager& manager, Instant) { return ask(manager, limit); }));
    outbound::DestinationList all;
    for (auto& shard : shards) {
        all.count += shard.count;
        std::ranges::move(shard.views, std::back_inserter(all.views));
    }
    return all;
}

// As QueueManager::destinations_in_trouble() sorts them.
std::vector<outbound::DestinationView> worst_first(const outbound::DestinationList& list) {
    auto views = list.views;
    std::ranges::sort(views, {}, [](const outbound::DestinationView& view) {
        return std::pair(-static_cast<std::int64_t>(view.waiting), view.down_since);
    });
    return views;
}

json destinations_json(const std::vector<outbound::DestinationView>& views, std::size_t limit) {
    json out = json::array();
    for (std::size_t i = 0; i < std::min(limit, views.size()); ++i)
        out.push_back(to_json(views[i]));
    return out;
}

}  // namespace

Response answer_status(const Call& call, const RelayStatus& status) {
    const auto counters = call.of_all<outbound::Counters>(
        [](QueueManager& manager, Instant) { return manager.counters(); });
    const auto in_trouble =
        list_destinations(call, in_trouble_max, [](const QueueManager& manager, std::size_t limit) {
            return manager.destinations_in_trouble(limit);
        });
    if (!counters) return failure(counters.error());
    if (!in_trouble) return failure(in_trouble.error());
    json sum = json::object();
    for (const auto& one : *counters) {
        const auto shard = to_json(one);
        for (const auto& [name, value] : shard.items()) {
            sum[name] = sum.value(name, std::uint64_t{0}) + value.get<std::uint64_t>();
        }
    }
    auto out = to_json(status);
    out["queue"] = sum;
    out["destinations_in_trouble"] = destinations_json(worst_first(*in_trouble), in_trouble_max);
    out["destinations_in_trouble_count"] = in_trouble->count;
    return success(out);
}

Response answer_destinations(const Call& call, const Request& request) {
    std::size_t limit = destinations_default;
    for (const auto& [name, value] : request.query) {
        if (name != "limit") return failure(400, "unknown parameter \"" + name + '"');
        if (value.empty()) continue;
        const auto parsed = parse_limit(value, destinations_max);
        if (!parsed) return failure(parsed.error());
        limit = *parsed;
    }
    auto found = list_destinations(call, limit, [](const QueueManager& manager, std::size_t most) {
        return manager.busy_destinations(most);
    });
    if (!found) return failure(found.error());
    std::ranges::sort(found->views, {}, &outbound::DestinationView::name);
    return success(
        {{"destinations", destinations_json(found->views, limit)}, {"count", found->count}});
}

}  // namespace mta::admin
