#include "mta/admin/api.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "mta/admin/ended.h"
#include "mta/admin/json.h"
#include "mta/admin/monitoring.h"
#include "mta/admin/selection.h"
#include "mta/admin/shard_call.h"
#include "mta/admin/trace.h"
#include "mta/admin/why_json.h"
#include "mta/admin/why_words.h"
#include "mta/base/domain.h"

namespace mta::admin {
namespace {

using nlohmann::json;
using outbound::QueueManager;

constexpr std::size_t page_messages = 100;           // with their envelopes, read from disk
constexpr std::size_t page_messages_plain = 10'000;  // without
constexpr std::size_t queue_limit_default = 100;
constexpr std::size_t queue_limit_max = 1000;
constexpr std::size_t pages_per_request_max = 50;  // then the client comes again with the cursor
constexpr std::size_t why_messages_max = 10;

struct Problem {
    std::uint32_t status = 400;
    std::string text;
};
template <class T>
using Outcome = std::expected<T, Problem>;

Response failure(std::uint32_t status, std::string_view text) {
    return {status, dump({{"error", text}})};
}
Response failure(const Problem& problem) { return failure(problem.status, problem.text); }
Response success(const json& value) { return {200, dump(value)}; }

std::unexpected<Problem> too_slow() {
    return std::unexpected(
        Problem{503, "the relay is too busy to answer (a shard did not in time); try again"});
}

// A place in the queues of all shards: "0-4711".
struct Cursor {
    std::size_t shard = 0;
    outbound::ListCursor position = 0;
};
std::string to_string(const Cursor& cursor) {
    return std::to_string(cursor.shard) + '-' + std::to_string(cursor.position);
}
std::optional<Cursor> parse_cursor(std::string_view text) {
    Cursor cursor;
    if (text.empty()) return cursor;
    const auto* const end = text.data() + text.size();
    const auto shard = std::from_chars(text.data(), end, cursor.shard);
    if (shard.ec != std::errc{} || shard.ptr == end || *shard.ptr != '-') return std::nullopt;
    const auto position = std::from_chars(shard.ptr + 1, end, cursor.position);
    if (position.ec != std::errc{} || position.ptr != end) return std::nullopt;
    return cursor;
}

// One request's way through the shards.
class Call {
public:
    Call(const std::vector<Api::Post>& shards, Millis patience)
        : shards_(shards), patience_(patience) {}

    // Up to `limit` messages from `cursor` on, which moves; nothing in it: that was all.
    Outcome<std::vector<outbound::MessageView>> messages(const Selection& selection,
                                                         std::size_t limit, bool with_envelope,
                                                         std::optional<Cursor>& cursor) {
        std::vector<outbound::MessageView> found;
        for (std::size_t pages = 0; cursor && pages < pages_per_request_max; ++pages) {
            if (cursor->shard >= shards_.size()) {
                cursor.reset();
                break;
            }
            if (found.size() >= limit) break;
            const auto shard = cursor->shard;
            auto page = read(selection, limit - found.size(), with_envelope, *cursor);
            if (!page) return std::unexpected(page.error());
            std::ranges::move(page->messages, std::back_inserter(found));
            const auto next = page->next;
            cursor = Cursor{shard + 1, 0};
            if (next) cursor = Cursor{shard, *next};
        }
        if (cursor && cursor->shard >= shards_.size()) cursor.reset();
        return found;
    }

    // `ask(manager, now)` of every shard.
    template <class T, class Ask>
    Outcome<std::vector<T>> of_all(const Ask& ask) {
        std::vector<T> answers;
        for (const auto& post : shards_) {
            auto answer = call_shard<T>(
                post, patience_, [ask](QueueManager& manager, Instant now, const auto& slot) {
                    slot->put(ask(manager, now));
                });
            if (!answer) return too_slow();
            answers.push_back(std::move(*answer));
        }
        return answers;
    }

    // What was ordered must not be lost by a crash after the answer.
    Outcome<void> until_durable() {
        for (const auto& post : shards_) {
            const auto result = call_shard<queue::StoreResult<void>>(
                post, patience_, [](QueueManager& manager, Instant, const auto& slot) {
                    manager.when_durable(
                        [slot](queue::StoreResult<void> done) { slot->put(std::move(done)); });
                });
            if (!result) return too_slow();
            if (!*result) {
                return std::unexpected(Problem{
                    503, "it was ordered, but it is not certain on disk: " + result->error().text});
            }
        }
        return {};
    }

    // How many recipients `act` touched, over all shards.
    template <class Act>
    Outcome<std::size_t> count(const Act& act) {
        const auto answers = of_all<std::size_t>(
            [act](QueueManager& manager, Instant) -> std::size_t { return act(manager); });
        if (!answers) return std::unexpected(answers.error());
        std::size_t sum = 0;
        for (const auto answer : *answers) sum += answer;
        return sum;
    }

private:
    Outcome<Page> read(const Selection& selection, std::size_t limit, bool with_envelope,
                       const Cursor& cursor) {
        const bool is_plain = !with_envelope && !selection.needs_envelope();
        const auto page_limit = std::min(limit, is_plain ? page_messages_plain : page_messages);
        auto page = call_shard<Page>(
            shards_[cursor.shard], patience_,
            [=, position = cursor.position](QueueManager& manager, Instant, const auto& slot) {
                read_page(manager, selection,
                          {.limit = page_limit, .cursor = position, .with_envelope = with_envelope},
                          [slot](Page found) { slot->put(std::move(found)); });
            });
        if (!page) return too_slow();
        return std::move(*page);
    }

    const std::vector<Api::Post>& shards_;
    Millis patience_;
};

// ---- GET /v1/queue ----

Response queue_response(Call call, const Request& request) {
    static const std::set<std::string> names = {"id",    "from",  "to",    "domain",
                                                "state", "limit", "cursor"};
    for (const auto& [name, value] : request.query) {
        if (!names.contains(name)) return failure(400, "unknown parameter \"" + name + "\"");
    }
    const auto value_of = [&](const char* name) {
        const auto found = request.query.find(name);
        return found == request.query.end() ? std::string() : found->second;
    };
    const auto selection = parse_selection(request.query);
    if (!selection) return failure(400, selection.error());
    std::size_t limit = queue_limit_default;
    if (const auto text = value_of("limit"); !text.empty()) {
        const auto* const end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data(), end, limit);
        if (parsed.ec != std::errc{} || parsed.ptr != end || limit == 0) {
            return failure(400, "limit must be a whole number from 1 on");
        }
    }
    auto cursor = parse_cursor(value_of("cursor"));
    if (!cursor) return failure(400, "cursor must be one that an earlier answer gave as \"next\"");
    const auto messages = call.messages(*selection, std::min(limit, queue_limit_max), true, cursor);
    if (!messages) return failure(messages.error());
    json out = {{"messages", json::array()}};
    for (const auto& message : *messages) out["messages"].push_back(to_json(message));
    if (cursor) out["next"] = to_string(*cursor);
    return success(out);
}

// ---- GET /v1/why ----

struct Why {
    Lines lines;
    std::vector<outbound::MessageView> messages;
    bool is_ended = false;  // it is about recipients who were given up
};

Response why_response(const std::string& what, const Why& why) {
    json messages = json::array();
    for (const auto& message : why.messages) messages.push_back(to_json_with_history(message));
    return success({{"what", what},
                    {"found", !why.messages.empty() || why.is_ended},
                    {"lines", why.lines},
                    {"messages", std::move(messages)}});
}

Outcome<Instant> time_of(Call& call) {
    const auto times = call.of_all<Instant>([](QueueManager&, Instant now) { return now; });
    if (!times) return std::unexpected(times.error());
    return times->empty() ? Instant{} : times->front();
}

void add_messages(Why& why, Instant now) {
    for (const auto& message : why.messages) {
        if (!why.lines.empty()) why.lines.emplace_back();
        std::ranges::move(words_about(message, now), std::back_inserter(why.lines));
    }
}

// Nothing is queued for it; perhaps it was given up not long ago, and the report still is.
bool add_ended(Why& why, Ended ended) {
    why.is_ended = !ended.lines.empty();
    why.lines = std::move(ended.lines);
    why.messages = std::move(ended.reports);
    return why.is_ended;
}

struct Question {
    std::string what;
    const Api::GetStatus& get_status;
    std::function<Ended(const outbound::Endings::Query&)> find_ended;

    // Nothing was found.
    [[nodiscard]] Lines or_loading(Lines if_unknown) const {
        return get_status().is_loading ? words_about_loading() : std::move(if_unknown);
    }
};

Response why_messages(Call call, const Question& question, const Selection& selection,
                      const outbound::Endings::Query& query) {
    const auto& what = question.what;
    Why why;
    std::optional<Cursor> cursor = Cursor{};
    auto messages = call.messages(selection, why_messages_max, true, cursor);
    // Selecting by address may take many pages before the first one is found.
    while (messages && messages->empty() && cursor) {
        messages = call.messages(selection, why_messages_max, true, cursor);
    }
    const auto now = time_of(call);
    if (!messages || !now) return failure(!messages ? messages.error() : now.error());
    why.messages = std::move(*messages);
    if (why.messages.empty() && !add_ended(why, question.find_ended(query))) {
        why.lines = question.or_loading(query.id != 0 ? words_about_unknown_id(what)
                                                      : words_about_unknown_address(what));
    }
    add_messages(why, *now);
    if (cursor && why.messages.size() >= why_messages_max) {
        why.lines.emplace_back();
        why.lines.emplace_back("There may be more: posthouse queue shows all.");
    }
    return why_response(what, why);
}

Response why_domain(Call call, const Question& question, const std::string& domain) {
    const auto& what = question.what;
    const auto views = call.of_all<std::optional<outbound::DomainView>>(
        [domain](QueueManager& manager, Instant) { return manager.domain(domain); });
    const auto now = time_of(call);
    if (!views || !now) return failure(!views ? views.error() : now.error());
    Selection selection;
    selection.domain = domain;
    std::optional<Cursor> cursor = Cursor{};
    auto messages = call.messages(selection, why_messages_max, true, cursor);
    if (!messages) return failure(messages.error());
    Why why{.lines = {}, .messages = std::move(*messages)};
    for (const auto& view : *views) {
        if (view) std::ranges::move(words_about(*view, *now), std::back_inserter(why.lines));
    }
    if (why.lines.empty() && why.messages.empty() &&
        !add_ended(why, question.find_ended({.domain = domain}))) {
        why.lines = question.or_loading(words_about_unknown_domain(what));
    }
    add_messages(why, *now);
    return why_response(what, why);
}

Response why_response(Call call, const Question& question) {
    const auto& what = question.what;
    if (what.empty()) return failure(400, "why what? Name a queue id, an address or a domain");
    if (what.contains('@')) {
        Selection selection;
        selection.party = what;
        return why_messages(call, question, selection, {.address = what});
    }
    if (const auto id = queue::parse_id(what); id && !what.contains('.')) {
        Selection selection;
        selection.id = id;
        return why_messages(call, question, selection, {.id = *id});
    }
    const auto domain = to_a_labels(what);
    if (!domain) {
        return failure(400, "\"" + what + "\" is no queue id, no address and no domain");
    }
    return why_domain(call, question, *domain);
}

// ---- GET /v1/status, /v1/destinations ----

Response status_response(Call call, const RelayStatus& status) {
    const auto counters = call.of_all<outbound::Counters>(
        [](QueueManager& manager, Instant) { return manager.counters(); });
    const auto destinations = call.of_all<std::vector<outbound::DestinationView>>(
        [](QueueManager& manager, Instant) { return manager.destinations(); });
    if (!counters) return failure(counters.error());
    if (!destinations) return failure(destinations.error());
    json sum = json::object();
    for (const auto& one : *counters) {
        const auto shard = to_json(one);
        for (const auto& [name, value] : shard.items()) {
            sum[name] = sum.value(name, std::uint64_t{0}) + value.get<std::uint64_t>();
        }
    }
    json in_trouble = json::array();
    for (const auto& shard : *destinations) {
        for (const auto& view : shard) {
            if (view.down_since) in_trouble.push_back(to_json(view));
        }
    }
    auto out = to_json(status);
    out["queue"] = sum;
    out["destinations_in_trouble"] = in_trouble;
    return success(out);
}

Response destinations_response(Call call) {
    const auto destinations = call.of_all<std::vector<outbound::DestinationView>>(
        [](QueueManager& manager, Instant) { return manager.destinations(); });
    if (!destinations) return failure(destinations.error());
    json out = json::array();
    for (const auto& shard : *destinations) {
        for (const auto& view : shard) out.push_back(to_json(view));
    }
    return success(out);
}

// ---- POST ----

// The body's values as text, its true flags as "true". An empty body is an empty object.
Outcome<std::map<std::string, std::string>> parse_body(const std::string& body,
                                                       const std::set<std::string>& names) {
    std::map<std::string, std::string> values;
    if (body.empty()) return values;
    const auto parsed = json::parse(body, nullptr, false);
    if (!parsed.is_object()) {
        return std::unexpected(Problem{400, "the body must be a JSON object"});
    }
    for (const auto& [name, value] : parsed.items()) {
        if (!names.contains(name)) {
            return std::unexpected(Problem{400, "unknown member \"" + name + "\""});
        }
        const bool is_flag = name == "all" || name == "dry_run";
        if (is_flag ? !value.is_boolean() : !value.is_string()) {
            return std::unexpected(Problem{
                400, "\"" + name + "\" must be " + (is_flag ? "true or false" : "a string")});
        }
        if (!is_flag) values[name] = value.get<std::string>();
        if (is_flag && value.get<bool>()) values[name] = "true";
    }
    return values;
}

Response flush_response(Call call, const Request& request) {
    const auto values = parse_body(request.body, {"domain"});
    if (!values) return failure(values.error());
    const auto selection = parse_selection(*values);
    if (!selection) return failure(400, selection.error());
    const auto& domain = selection->domain;
    const auto touched = call.count([domain](QueueManager& manager) {
        return domain.empty() ? manager.flush() : manager.flush_domain(domain);
    });
    if (!touched) return failure(touched.error());
    return success({{"recipients", *touched}});
}

using Action = std::size_t (QueueManager::*)(queue::MessageId, const outbound::RecipientNumbers&);

struct Target {
    queue::MessageId id = 0;
    outbound::RecipientNumbers recipients;
};

// All that match first, then the deed: what arrives meanwhile is not meant.
Outcome<std::vector<Target>> find_all(Call& call, const Selection& selection,
                                      std::size_t& recipients) {
    std::vector<Target> targets;
    std::optional<Cursor> cursor = Cursor{};
    while (cursor) {
        const auto page = call.messages(selection, page_messages_plain, false, cursor);
        if (!page) return std::unexpected(page.error());
        for (const auto& message : *page) {
            auto chosen = selection.recipients_of(message);
            recipients += chosen ? chosen->size() : message.recipients.size();
            targets.push_back({message.id, std::move(chosen)});
        }
    }
    return targets;
}

struct Touched {
    std::size_t messages = 0;
    std::size_t recipients = 0;
};

Outcome<Touched> act_on(Call& call, Action action, const std::vector<Target>& targets) {
    constexpr std::size_t batch = 1000;  // so that a shard is never busy for long
    Touched sum;
    for (std::size_t begin = 0; begin < targets.size(); begin += batch) {
        const auto end = std::min(begin + batch, targets.size());
        const std::vector<Target> some(targets.begin() + static_cast<std::ptrdiff_t>(begin),
                                       targets.begin() + static_cast<std::ptrdiff_t>(end));
        const auto answers = call.of_all<Touched>([action, some](QueueManager& manager, Instant) {
            Touched touched;
            for (const auto& [id, only] : some) {
                const auto recipients = (manager.*action)(id, only);
                touched.recipients += recipients;
                touched.messages += recipients > 0 ? 1 : 0;
            }
            return touched;
        });
        if (!answers) return std::unexpected(answers.error());
        for (const auto& answer : *answers) {
            sum.messages += answer.messages;
            sum.recipients += answer.recipients;
        }
    }
    return sum;
}

Response action_response(Call call, const Request& request, Action action) {
    const auto values =
        parse_body(request.body, {"id", "from", "to", "domain", "state", "all", "dry_run"});
    if (!values) return failure(values.error());
    const auto selection = parse_selection(*values);
    if (!selection) return failure(400, selection.error());
    if (selection->is_everything() && !values->contains("all")) {
        return failure(400, "say which messages: id, from, to, domain, state, or all");
    }
    std::size_t recipients = 0;
    const auto targets = find_all(call, *selection, recipients);
    if (!targets) return failure(targets.error());
    Touched touched{.messages = targets->size(), .recipients = recipients};
    if (!values->contains("dry_run")) {
        const auto done = act_on(call, action, *targets);
        if (!done) return failure(done.error());
        if (const auto durable = call.until_durable(); !durable) return failure(durable.error());
        touched = *done;
    }
    return success({{"messages", touched.messages}, {"recipients", touched.recipients}});
}

}  // namespace

Api::Api(std::vector<Post> shards, GetStatus get_status, Millis patience)
    : shards_(std::move(shards)),
      get_status_(std::move(get_status)),
      patience_(patience),
      monitoring_(std::make_unique<Monitoring>(shards_, get_status_, patience)) {}

Api::~Api() = default;

Response Api::handle(const Request& request) const {
    constexpr std::string_view why_path = "/v1/why/";
    const auto& path = request.path;
    const Call call(shards_, patience_);
    const bool is_get = request.method == "GET";
    const bool is_post = request.method == "POST";
    const auto only = [&](bool is_right, auto answer) {
        return is_right ? answer() : failure(405, request.method + " does not go with " + path);
    };
    if (path == "/metrics") return only(is_get, [&] { return monitoring_->metrics(); });
    if (path == "/v1/top") return only(is_get, [&] { return monitoring_->top(); });
    if (path == "/v1/status")
        return only(is_get, [&] { return status_response(call, get_status_()); });
    if (path == "/v1/queue") return only(is_get, [&] { return queue_response(call, request); });
    if (path == "/v1/destinations")
        return only(is_get, [&] { return destinations_response(call); });
    if (path.starts_with(why_path)) {
        return only(is_get, [&] {
            return why_response(
                call, {path.substr(why_path.size()), get_status_, [this](const auto& query) {
                           return find_ended(shards_, patience_, query);
                       }});
        });
    }
    if (path == "/v1/trace")
        return only(is_post, [&] { return trace_response(shards_, patience_, request); });
    if (path == "/v1/flush") return only(is_post, [&] { return flush_response(call, request); });
    constexpr std::pair<std::string_view, Action> actions[] = {
        {"/v1/cancel", &QueueManager::cancel},
        {"/v1/hold", &QueueManager::hold},
        {"/v1/release", &QueueManager::release}};
    for (const auto& [name, action] : actions) {
        if (path == name) {
            return only(is_post,
                        [&, action = action] { return action_response(call, request, action); });
        }
    }
    return failure(404, "there is no " + path + " here; this relay speaks /v1");
}

}  // namespace mta::admin
