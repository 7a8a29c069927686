#include "mta/api/why/advice.h"

#include "mta/base/printable.h"
#include "mta/diagnosis/diagnosis.h"

namespace mta::api {
namespace {

using outbound::RecipientView;
using outbound::WaitReason;

bool is_greylisting(const RecipientView& view) {
    if (view.reason != WaitReason::next_attempt || !view.last_error) return false;
    return diagnosis::diagnose(*view.last_error).is_greylisting;
}

}  // namespace

std::string advice(const RecipientView& view, const std::string& id) {
    const auto domain = printable(view.domain);
    switch (view.reason) {
        case WaitReason::next_attempt:
            if (is_greylisting(view)) {
                return "This is greylisting: the server wants unknown senders to come again after "
                       "some minutes, and then takes their mail. There is nothing to be done.";
            }
            return "To try at once: posthouse flush " + domain;
        case WaitReason::dns_down:
            return "Look whether the name servers answer (dig MX " + domain +
                   "); [dns] servers names them. To ask at once: posthouse flush " + domain;
        case WaitReason::destination_down:
            return "Look whether it runs and can be reached from here. To try at once: posthouse "
                   "flush " +
                   domain;
        case WaitReason::mailbox_turn: return "Check the log of that server for the reason.";
        case WaitReason::destination_slowed:
            return "Check the log of that server. To try at once: posthouse flush " + domain;
        case WaitReason::destination_limit:
            if (!view.blocker.remote.empty() && view.until) return {};
            if (!view.blocker.remote.empty()) {
                return "Their number follows what the server bears, up to max_connections in its "
                       "[[site]] (or connections_per_destination in [delivery]).";
            }
            return "connections_per_destination in [delivery], or max_connections in its [[site]], "
                   "sets the limit.";
        case WaitReason::message_rate:
        case WaitReason::connection_rate:
            return "After a change of the rate: systemctl reload posthouse";
        case WaitReason::connections_limit: return "connections in [delivery] sets the limit.";
        case WaitReason::unanswered_limit:
            return "A quarter of connections in [delivery] is for these, so that servers that say "
                   "nothing cannot take all.";
        case WaitReason::window:
            return "To try at once all the same: posthouse flush " + printable(view.domain);
        case WaitReason::future_release:
            return "To let it go now all the same: posthouse release " + id;
        case WaitReason::held: return "To let it go: posthouse release " + id;
        case WaitReason::dns_answer:
        case WaitReason::dns_turn:
        case WaitReason::delivering:
        case WaitReason::report:
        case WaitReason::draining:
        case WaitReason::not_waiting: break;
    }
    return {};
}

}  // namespace mta::api
