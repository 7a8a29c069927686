#include "mta/api/queue/queue_answer.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mta/api/queue/grouping.h"
#include "mta/api/queue/message_json.h"
#include "mta/api/queue/queue_question.h"
#include "mta/api/queue/ranking.h"

namespace mta::api {
namespace {

using nlohmann::json;

// A page ends with the message that reaches this number of recipients, whatever its limit of
// messages is: some 10 MB.
constexpr std::size_t page_recipients_max = 20'000;

std::unexpected<Problem> bad_cursor() {
    return std::unexpected(
        Problem{400, "cursor must be one that an earlier answer to the same question gave"});
}

Outcome<json> messages_json(const Call& call, const outbound::MessageFilter& filter,
                            const std::vector<FoundMessage>& found) {
    MTA_TRY(views, call.read(filter, found));
    json messages = json::array();
    for (const auto& message : views) messages.push_back(to_json(message));
    return messages;
}

// ---- Without order ----

// Collects the first messages that a scan finds, until a page is full.
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

Outcome<json> unsorted(const Call& call, const QueueQuestion& question) {
    auto cursor = parse_cursor(question.cursor);
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

// ---- Sorted ----

// Leaves the places that fill a page. Returns whether there were others.
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

// ---- In groups, or only counted ----

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

Outcome<json> queue_json(const Call& call, const http::Request& request) {
    MTA_TRY(now, call.now());
    MTA_TRY(question, parse_queue_question(request, now));
    if (question.by) return grouped(call, question, request.query.at("by"));
    if (question.only_counts) return counted(call, question);
    return question.order ? sorted(call, question) : unsorted(call, question);
}

}  // namespace

http::Response answer_queue(const Call& call, const http::Request& request,
                            const std::optional<Loading>& loading) {
    auto answer = queue_json(call, request);
    if (!answer) return failure(answer.error());
    return success(with_loading(std::move(*answer), loading));
}

}  // namespace mta::api
