#include "mta/api/why/history_json.h"

#include <string_view>

#include "mta/api/json_values.h"
#include "mta/api/queue/message_json.h"
#include "mta/base/time_format.h"

namespace mta::api {
namespace {

using nlohmann::json;
using outbound::AttemptView;

std::string_view name_of(AttemptView::Kind kind) {
    switch (kind) {
        case AttemptView::Kind::charged: return "deferred";
        case AttemptView::Kind::in_doubt: return "in_doubt";
        case AttemptView::Kind::not_charged: return "not_counted";
        case AttemptView::Kind::failed: return "failed";
        case AttemptView::Kind::earlier: return "before_start";
    }
    return "deferred";
}

json attempt_json(const AttemptView& attempt) {
    json out = {{"at", format_rfc3339(attempt.at)},           {"kind", name_of(attempt.kind)},
                {"host", text_or_null(attempt.error.remote)}, {"code", attempt.error.reply_code},
                {"status", to_string(attempt.error.status)},  {"text", attempt.error.text}};
    if (attempt.kind == AttemptView::Kind::earlier) out["attempts"] = attempt.attempts;
    return out;
}

json blocker_json(const outbound::Blocker& blocker) {
    return {
        {"since", blocker.since ? json(format_rfc3339(*blocker.since)) : json(nullptr)},
        {"failures", blocker.failures},
        {"probing", blocker.is_probing},
        {"in_line", blocker.in_line},
        {"busy", blocker.busy},
        {"limit", blocker.limit},
        {"rate", text_or_null(blocker.rate)},
        {"host", text_or_null(blocker.remote)},
        {"looks_up_since",
         blocker.looks_up_since ? json(format_rfc3339(*blocker.looks_up_since)) : json(nullptr)}};
}

}  // namespace

json to_json_with_history(const outbound::MessageView& message) {
    auto out = to_json(message);
    auto& recipients = out["recipients"];
    for (std::size_t i = 0; i < message.recipients.size(); ++i) {
        const auto& view = message.recipients[i];
        json history = json::array();
        for (const auto& attempt : view.attempts_made) history.push_back(attempt_json(attempt));
        recipients[i]["history"] = std::move(history);
        recipients[i]["history_is_cut"] = view.is_history_cut;
        recipients[i]["blocker"] = blocker_json(view.blocker);
    }
    return out;
}

}  // namespace mta::api
