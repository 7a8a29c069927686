#include "mta/api/queue/message_json.h"

#include <string_view>

#include "mta/api/json_values.h"
#include "mta/api/selection.h"
#include "mta/base/time_format.h"

namespace mta::api {
namespace {

using nlohmann::json;

std::string_view name_of(outbound::WaitReason reason) {
    using outbound::WaitReason;
    switch (reason) {
        case WaitReason::next_attempt: return "next_attempt";
        case WaitReason::dns_answer: return "dns_answer";
        case WaitReason::dns_turn: return "dns_turn";
        case WaitReason::dns_down: return "dns_down";
        case WaitReason::destination_down: return "destination_down";
        case WaitReason::destination_slowed: return "destination_slowed";
        case WaitReason::destination_limit: return "destination_limit";
        case WaitReason::mailbox_turn: return "mailbox_turn";
        case WaitReason::message_rate: return "message_rate";
        case WaitReason::connection_rate: return "connection_rate";
        case WaitReason::connections_limit: return "connections_limit";
        case WaitReason::unanswered_limit: return "unanswered_limit";
        case WaitReason::window: return "window";
        case WaitReason::future_release: return "future_release";
        case WaitReason::delivering: return "delivering";
        case WaitReason::report: return "report";
        case WaitReason::held: return "held";
        case WaitReason::draining: return "draining";
        case WaitReason::not_waiting: return "not_waiting";
    }
    return "next_attempt";
}

// Only what the sender asked for.
void add_requests(json& out, const queue::Requests& requests) {
    if (requests.priority != 0) out["priority"] = requests.priority;
    if (requests.release != Instant{}) out["release"] = format_rfc3339(requests.release);
    const auto& by = requests.deliver_by;
    if (by.mode == ByMode::none) return;
    out["deliver_by"] = {{"time", format_rfc3339(by.at)},
                         {"mode", by.mode == ByMode::give_back ? "return" : "notify"},
                         {"trace", by.trace}};
}

json recipient_json(const outbound::RecipientView& view) {
    const bool has_error = view.last_error && !view.last_error->text.empty();
    return {{"address", view.address.empty() ? "@" + view.domain : view.address},
            {"domain", view.domain},
            {"destination", text_or_null(view.destination)},
            {"state", to_string(view.state)},
            {"attempts", view.attempts},
            {"next_attempt", time_or_null(view.next_attempt)},
            {"last_attempt", time_or_null(view.last_attempt)},
            {"last_reply", has_error ? json(reply_of(*view.last_error)) : json(nullptr)},
            {"last_host", has_error ? text_or_null(view.last_error->remote) : json(nullptr)},
            {"waits_for", name_of(view.reason)},
            {"waits_until", time_or_null(view.until)},
            {"expires", time_or_null(view.expires)}};
}

}  // namespace

json to_json(const outbound::MessageView& message) {
    json recipients = json::array();
    for (const auto& view : message.recipients) recipients.push_back(recipient_json(view));
    json out = {{"id", queue::format_id(message.id)},
                {"sender", message.sender},
                {"size", message.size_bytes},
                {"arrived", format_rfc3339(message.arrived)},
                {"recipients", std::move(recipients)}};
    if (message.message) out["message_id"] = text_or_null(message.message->message_id);
    add_requests(out, message.requests);
    return out;
}

}  // namespace mta::api
