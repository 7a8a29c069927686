#include "mta/api/json.h"

#include "mta/api/selection.h"
#include "mta/base/time_format.h"

namespace mta::admin {
namespace {

using nlohmann::json;

json time_or_null(const std::optional<Instant>& time) {
    return time && *time != Instant{} ? json(format_rfc3339(*time)) : json(nullptr);
}

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

template <class T>
json value_or_null(const std::optional<T>& value) {
    return value ? json(*value) : json(nullptr);
}

json error_or_null(const std::optional<DeliveryError>& error) {
    if (!error) return nullptr;
    return {{"code", error->reply_code},
            {"status", to_string(error->status)},
            {"text", error->text},
            {"host", text_or_null(error->remote)}};
}

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

// Only what was asked for.
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

json to_json(const RelayStatus& status) {
    return {{"version", status.version},
            {"hostname", status.hostname},
            {"now", format_rfc3339(status.now)},
            {"started", format_rfc3339(status.started)},
            {"listeners", status.listeners},
            {"clients", status.clients},
            {"draining", status.is_draining},
            {"spool",
             {{"path", status.spool_path},
              {"refusal", text_or_null(status.spool_refusal)},
              {"quarantine", status.spool_quarantine},
              {"loading", status.is_loading},
              {"loaded_messages", status.loaded_messages},
              {"old_messages", value_or_null(status.old_messages)},
              {"segments", status.spool_segments},
              {"written_bytes", status.spool_written_bytes},
              {"live_bytes", status.spool_live_bytes},
              {"recycled", status.spool_recycled},
              {"copied_bytes", status.spool_copied_bytes},
              {"free_bytes", value_or_null(status.spool_free_bytes)},
              {"total_bytes", value_or_null(status.spool_total_bytes)}}},
            {"config",
             {{"path", status.config_path},
              {"loaded", format_rfc3339(status.config_loaded)},
              {"reload_problem", text_or_null(status.reload_problem)}}}};
}

json to_json(const outbound::Counters& counters) {
    return {{"messages", counters.messages},
            {"recipients", counters.recipients},
            {"delivering", counters.delivering},
            {"held", counters.held},
            {"connections", counters.connections},
            {"destinations_down", counters.destinations_down},
            {"body_bytes_in_memory", counters.body_bytes_in_memory},
            {"accepted_total", counters.accepted_total},
            {"delivered_total", counters.delivered_total},
            {"deferred_total", counters.deferred_total},
            {"failed_total", counters.failed_total},
            {"expired_total", counters.expired_total},
            {"in_doubt_total", counters.in_doubt_total},
            {"reports_total", counters.reports_total},
            {"transactions_total", counters.transactions_total},
            {"connects_total", counters.connects_total}};
}

json to_json(const Totals& totals) {
    return {{"messages", totals.messages},
            {"recipients", totals.recipients},
            {"bytes", totals.bytes},
            {"oldest", time_or_null(totals.oldest)},
            {"next_attempt", time_or_null(totals.next)}};
}

std::string dump(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace mta::admin
