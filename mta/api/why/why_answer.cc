#include "mta/api/why/why_answer.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "mta/api/queue/ranking.h"
#include "mta/api/selection.h"
#include "mta/api/why/domain_words.h"
#include "mta/api/why/ended.h"
#include "mta/api/why/history_json.h"
#include "mta/api/why/message_words.h"
#include "mta/api/why/unknown_words.h"

namespace mta::api {
namespace {

using nlohmann::json;

constexpr std::size_t messages_max = 10;

// What the question is about, and the answer if nothing is known of that.
struct WhyQuestion {
    outbound::MessageFilter filter;
    outbound::Endings::Query ended;
    Lines if_unknown;
};

// ---- The question ----

Outcome<WhyQuestion> parse_question(const std::string& what) {
    if (what.empty()) {
        return std::unexpected(
            Problem{400, "why what? Name a queue id, a Message-ID, an address or a domain"});
    }
    WhyQuestion question{
        .filter = {}, .ended = {}, .if_unknown = words_about_unknown_address(what)};
    if (what == "<>") {
        question.filter.sender = "";
    } else if (what.starts_with('<')) {
        question.filter.message_id = queue::bare_message_id(what);
        question.if_unknown = words_about_unknown_message_id(what);
    } else if (what.contains('@')) {
        question.filter.mention = what;
        question.ended.address = what;
    } else if (const auto id = queue::parse_id(what); id && !what.contains('.')) {
        question.filter.id = id;
        question.ended.id = *id;
        question.if_unknown = words_about_unknown_id(what);
    } else {
        const auto domain = domain_form(what);
        if (!domain || domain->starts_with('.')) {
            return std::unexpected(Problem{
                400, "\"" + what + "\" is no queue id, no Message-ID, no address and no domain"});
        }
        question.filter.domain = *domain;
        question.ended.domain = *domain;
        question.if_unknown = words_about_unknown_domain(what);
    }
    return question;
}

// ---- The answer ----

struct Why {
    Lines lines;
    json messages = json::array();
    bool is_ended = false;  // it is about recipients that were given up
};

void add_message(const outbound::MessageView& message, Instant now, Why& why) {
    if (!why.lines.empty()) why.lines.emplace_back();
    std::ranges::move(words_about(message, now), std::back_inserter(why.lines));
    why.messages.push_back(to_json_with_history(message));
}

// The domain and its destination, as each shard sees them.
Outcome<void> add_domain(const Call& call, const std::string& domain, Instant now, Why& why) {
    MTA_TRY(views, call.of_all<std::optional<outbound::DomainView>>(
                       [domain](Desk& desk, Instant) { return desk.domain(domain); }));
    for (const auto& view : views) {
        if (view) std::ranges::move(words_about(*view, now), std::back_inserter(why.lines));
    }
    return {};
}

// The oldest messages that match.
Outcome<void> add_messages(const Call& call, const outbound::MessageFilter& filter, Instant now,
                           Why& why) {
    const auto ranking =
        std::make_shared<Ranking>(SortOrder{}, messages_max, std::optional<Rank>());
    if (auto done = call.scan_all(filter, ranking); !done)
        return std::unexpected(std::move(done).error());
    MTA_TRY(messages, call.read(filter, found_in(ranking->take())));
    for (const auto& message : messages) add_message(message, now, why);
    if (const auto all = ranking->totals().messages; all > messages_max) {
        why.lines.emplace_back();
        why.lines.push_back("These are the " + std::to_string(messages_max) + " oldest of " +
                            std::to_string(all) + "; posthouse queue shows all.");
    }
    return {};
}

// Mail that is no longer queued may have been given up, and the report on that may still be queued.
void add_ended(const Call& call, const outbound::Endings::Query& query, Instant now, Why& why) {
    auto ended = find_ended(call, query);
    why.is_ended = !ended.lines.empty();
    if (!why.is_ended) return;
    why.lines = std::move(ended.lines);
    for (const auto& report : ended.reports) add_message(report, now, why);
}

void add_unknown(const WhyQuestion& question, const GetStatus& get_status, Why& why) {
    why.lines = question.if_unknown;
    const auto status = get_status();
    if (!status) return;
    std::ranges::move(words_about_quarantine(status->spool_path, status->spool_quarantine.size()),
                      std::back_inserter(why.lines));
}

void add_loading(const Loading& loading, Why& why) {
    why.lines.push_back(
        "The relay has just been started, and not all that was queued before is known yet (" +
        std::to_string(loading.loaded) + (loading.of ? " of " + std::to_string(*loading.of) : "") +
        " messages): ask again in a moment.");
}

Outcome<Why> why_of(const Call& call, const WhyQuestion& question, const GetStatus& get_status) {
    MTA_TRY(now, call.now());
    Why why;
    if (const auto& domain = question.filter.domain; !domain.empty()) {
        if (auto added = add_domain(call, domain, now, why); !added)
            return std::unexpected(std::move(added).error());
    }
    if (auto added = add_messages(call, question.filter, now, why); !added)
        return std::unexpected(std::move(added).error());
    if (why.lines.empty()) add_ended(call, question.ended, now, why);
    if (why.lines.empty()) add_unknown(question, get_status, why);
    return why;
}

}  // namespace

http::Response answer_why(const Call& call, const std::string& what,
                          const std::optional<Loading>& loading, const GetStatus& get_status) {
    const auto question = parse_question(what);
    if (!question) return failure(question.error());
    auto why = why_of(call, *question, get_status);
    if (!why) return failure(why.error());
    if (loading) add_loading(*loading, *why);
    const bool is_found = !why->messages.empty() || why->is_ended;
    return success(with_loading({{"what", what},
                                 {"found", is_found},
                                 {"lines", std::move(why->lines)},
                                 {"messages", std::move(why->messages)}},
                                loading));
}

}  // namespace mta::api
