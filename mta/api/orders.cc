#include "mta/api/orders.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <memory>
#include <utility>

#include "mta/api/ranking.h"
#include "mta/api/selection.h"

namespace mta::admin {
namespace {

using nlohmann::json;
using outbound::MessageFilter;
using outbound::QueueManager;
using outbound::RecipientNumbers;
using outbound::ViewState;
using Values = std::map<std::string, std::string>;

// At most so many messages are changed in one turn of a shard's loop, and in one answer. Bounces
// cost a look at the disk each, and a report.
constexpr std::size_t step_messages_max = 500;
constexpr std::size_t read_step_messages_max = 100;
constexpr std::size_t answer_messages_max = 50'000;
constexpr std::size_t read_answer_messages_max = 5'000;
// Nor does an answer take much longer than this: clients do not wait for ever.
constexpr Millis answer_time_max{5000};
constexpr std::string_view bounce_reason_default = "given up by the operator of this relay";
constexpr std::size_t bounce_reason_bytes_max = 500;

// Returns the number of recipients touched.
using Act =
    std::function<std::size_t(QueueManager&, queue::MessageId, const RecipientNumbers& only)>;

struct OrderKind {
    std::string_view path;
    // Whether it can change anything about that recipient.
    bool (*concerns)(const outbound::RecipientHit& recipient);
    Act (*make)(const Values& values);
    bool reads_messages = false;    // it needs them from the disk
    bool is_all_by_itself = false;  // without a filter it means everything
};

using outbound::RecipientHit;
bool is_waiting(const RecipientHit& recipient) {
    return recipient.state == ViewState::queued || recipient.state == ViewState::in_doubt;
}
bool is_stopped(const RecipientHit& recipient) {
    return recipient.state == ViewState::held || recipient.is_for_later;
}
bool is_to_be_tried(const RecipientHit& recipient) {
    return is_waiting(recipient) && !recipient.is_for_later;
}
bool is_anywhere(const RecipientHit& recipient) { return recipient.state != ViewState::delivering; }

constexpr std::array<OrderKind, 5> kinds = {{
    {"/v1/hold", is_waiting, [](const Values&) -> Act { return &QueueManager::hold; }},
    {"/v1/release", is_stopped, [](const Values&) -> Act { return &QueueManager::release; }},
    {.path = "/v1/flush",
     .concerns = is_to_be_tried,
     .make = [](const Values&) -> Act { return &QueueManager::flush_message; },
     .is_all_by_itself = true},
    {"/v1/cancel", is_anywhere, [](const Values&) -> Act { return &QueueManager::cancel; }},
    {.path = "/v1/bounce",
     .concerns = is_anywhere,
     .make = [](const Values& values) -> Act {
         const auto given = values.find("reason");
         std::string reason(given == values.end() ? bounce_reason_default : given->second);
         return [reason = std::move(reason)](QueueManager& manager, queue::MessageId id,
                                             const RecipientNumbers& only) {
             return manager.bounce(id, reason, only);
         };
     },
     .reads_messages = true},
}};

// ---- The request ----

struct OrderRequest {
    MessageFilter filter;
    Act act;
    Cursor from;
    Instant began;  // what came later is not meant
    bool is_dry_run = false;
    std::string words;  // "hold domain=them.example"
};

std::string words_of(const OrderKind& kind, const Values& values) {
    std::string words(kind.path.substr(kind.path.rfind('/') + 1));
    for (const auto& [name, value] : values)
        if (name != "cursor") words.append(1, ' ').append(name).append(1, '=').append(value);
    return words;
}

// The body's values as text, its true flags as "true". An empty body is an empty object.
Outcome<Values> parse_body(const std::string& body, const OrderKind& kind) {
    Values values;
    if (body.empty()) return values;
    const auto parsed = json::parse(body, nullptr, false);
    if (!parsed.is_object()) {
        return std::unexpected(Problem{400, "the body must be a JSON object"});
    }
    for (const auto& [name, value] : parsed.items()) {
        const bool is_flag = name == "all" || name == "dry_run";
        const bool is_known = is_flag || name == "cursor" || is_filter_name(name) ||
                              (name == "reason" && kind.reads_messages);
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

// "0-4711-1795003200000": where to go on, and when the order began.
std::string to_cursor(const Cursor& cursor, Instant began) {
    return to_string(cursor) + '-' + std::to_string(to_unix_ms(began));
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
    return !reason.empty() && reason.size() <= bounce_reason_bytes_max &&
           std::ranges::none_of(reason, [](char c) {
               const auto byte = static_cast<unsigned char>(c);
               return byte < 0x20 || byte == 0x7f;
           });
}

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
    // Ages count from the beginning, in every part of the order.
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

// ---- Doing it ----

struct Touched {
    std::size_t messages = 0;
    std::size_t recipients = 0;

    void add(std::size_t recipients_touched) {
        messages += recipients_touched > 0 ? 1 : 0;
        recipients += recipients_touched;
    }
    void add(const Touched& other) {
        messages += other.messages;
        recipients += other.recipients;
    }
};

struct Target {
    queue::MessageId id = 0;
    std::vector<std::uint32_t> recipients;
};

std::optional<Target> target_of(const outbound::MessageHit& hit, const OrderKind& kind) {
    Target target{.id = hit.id, .recipients = {}};
    for (const auto& recipient : hit.recipients) {
        if (kind.concerns(recipient)) target.recipients.push_back(recipient.number);
    }
    if (target.recipients.empty()) return std::nullopt;
    return target;
}

Touched act_on(QueueManager& manager, const Act& act, std::vector<Target> targets) {
    Touched touched;
    for (auto& target : targets) touched.add(act(manager, target.id, std::move(target.recipients)));
    return touched;
}

class CountTargets {
public:
    explicit CountTargets(const OrderKind& kind) : kind_(kind) {}
    [[nodiscard]] static bool needs_details() { return false; }
    bool add(const outbound::MessageHit& hit, std::size_t /*shard*/) {
        if (const auto target = target_of(hit, kind_)) touched_.add(target->recipients.size());
        return true;
    }
    [[nodiscard]] const Touched& touched() const { return touched_; }

private:
    const OrderKind& kind_;
    Touched touched_;
};

// One turn of a shard: the targets found, and where to go on; if the filter leaves no doubt, with
// the deed done.
struct Step {
    std::vector<Target> targets;
    Touched touched;
    std::optional<outbound::ScanCursor> next;
};

class Doing {
public:
    Doing(const Call& call, const OrderKind& kind, const OrderRequest& order)
        : call_(call),
          kind_(kind),
          order_(order),
          has_to_read_(kind.reads_messages || order.filter.is_by_hash()) {}

    // `cursor` moves; nothing in it: all is done.
    Outcome<Touched> step(std::optional<Cursor>& cursor) {
        const auto from = *cursor;
        MTA_TRY(step, first_turn(from));
        cursor = call_.after(from, step.next);
        if (!has_to_read_ || step.targets.empty()) return step.touched;
        auto confirmed = confirm(from.shard, step.targets);
        if (!confirmed) return std::unexpected(std::move(confirmed).error());
        return call_.of<Touched>(from.shard, [act = order_.act, targets = std::move(*confirmed)](
                                                 QueueManager& manager, Instant) mutable {
            return act_on(manager, act, std::move(targets));
        });
    }
    [[nodiscard]] std::size_t answer_max() const {
        return has_to_read_ ? read_answer_messages_max : answer_messages_max;
    }

private:
    [[nodiscard]] Outcome<Step> first_turn(const Cursor& from) const {
        return call_.of<Step>(from.shard, [kind = &kind_, filter = order_.filter, act = order_.act,
                                           has_to_read = has_to_read_, position = from.position](
                                              QueueManager& manager, Instant) {
            Step step;
            const auto count_max = has_to_read ? read_step_messages_max : step_messages_max;
            step.next = manager.scan(
                filter, {.from = position, .messages_max = scan_messages, .with_details = false},
                [&](const auto& hit) {
                    if (auto target = target_of(hit, *kind))
                        step.targets.push_back(std::move(*target));
                    return step.targets.size() < count_max;
                });
            if (!has_to_read) step.touched = act_on(manager, act, std::move(step.targets));
            return step;
        });
    }

    // Without those that are not what was looked for after all, or have gone.
    [[nodiscard]] Outcome<std::vector<Target>> confirm(std::size_t shard,
                                                       const std::vector<Target>& targets) const {
        std::vector<FoundMessage> found;
        for (const auto& target : targets) found.push_back({target.id, shard});
        MTA_TRY(views, call_.describe(found));
        std::vector<Target> confirmed;
        for (std::size_t i = 0; i < targets.size(); ++i) {
            if (!views[i]) continue;
            auto numbers = order_.filter.is_by_hash() ? confirmed_numbers(targets[i], *views[i])
                                                      : targets[i].recipients;
            if (!numbers.empty()) confirmed.push_back({targets[i].id, std::move(numbers)});
        }
        return confirmed;
    }
    [[nodiscard]] std::vector<std::uint32_t> confirmed_numbers(
        const Target& target, const outbound::MessageView& message) const {
        std::vector<std::uint32_t> numbers;
        for (const auto& recipient : message.recipients) {
            if (std::ranges::binary_search(target.recipients, recipient.number) &&
                outbound::is_confirmed_by(order_.filter, message, recipient)) {
                numbers.push_back(recipient.number);
            }
        }
        return numbers;
    }

    static constexpr std::size_t scan_messages = 50'000;

    const Call& call_;
    const OrderKind& kind_;
    const OrderRequest& order_;
    bool has_to_read_;
};

json touched_json(const Touched& touched) {
    return {{"messages", touched.messages}, {"recipients", touched.recipients}};
}

Outcome<json> count(const Call& call, const OrderKind& kind, const OrderRequest& order) {
    const auto counting = std::make_shared<CountTargets>(kind);
    if (auto done = call.scan_all(order.filter, counting); !done)
        return std::unexpected(std::move(done).error());
    return touched_json(counting->touched());
}

Outcome<json> execute(const Call& call, const OrderKind& kind, const OrderRequest& order) {
    Doing doing(call, kind, order);
    Touched touched;
    std::optional<Cursor> cursor = order.from;
    MTA_TRY(started, call.now());
    Millis took{};
    while (cursor && touched.messages < doing.answer_max() && took < answer_time_max) {
        MTA_TRY(some, doing.step(cursor));
        touched.add(some);
        // So that what waits for the disk stays little.
        if (some.messages > 0) {
            if (auto durable = call.until_durable(); !durable)
                return std::unexpected(std::move(durable).error());
        }
        MTA_TRY(now, call.now());
        took = now - started;
    }
    auto answer = touched_json(touched);
    if (cursor) answer["next"] = to_cursor(*cursor, order.began);
    return answer;
}

Outcome<Response> order_response(const Call& call, const OrderKind& kind, const std::string& body) {
    MTA_TRY(order, parse_order(call, kind, body));
    if (order.is_dry_run) {
        MTA_TRY(counted, count(call, kind, order));
        return success(counted);
    }
    MTA_TRY(touched, execute(call, kind, order));
    auto response = success(touched);
    response.order = {.what = order.words,
                      .messages = touched["messages"].get<std::uint64_t>(),
                      .recipients = touched["recipients"].get<std::uint64_t>()};
    return response;
}

}  // namespace

std::optional<Response> answer_order(const Call& call, const Request& request) {
    const auto* const kind =
        std::ranges::find(kinds, std::string_view(request.path), &OrderKind::path);
    if (kind == kinds.end()) return std::nullopt;
    if (request.method != "POST")
        return failure(405, request.method + " does not go with " + request.path);
    auto response = order_response(call, *kind, request.body);
    if (!response) return failure(response.error());
    return std::move(*response);
}

}  // namespace mta::admin
