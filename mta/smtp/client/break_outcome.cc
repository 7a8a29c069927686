#include "mta/smtp/client/break_outcome.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace mta::smtp {
namespace {

// The host was up and the session is over, which says nothing about this message.
bool is_break(const DeliveryError& error) {
    return error.scope != Scope::host && (error.reply_code == 0 || error.reply_code == 421);
}

const RunningTransaction* find(const std::deque<RunningTransaction>& running,
                               TransactionNumber number) {
    const auto found = std::ranges::find(running, number, &RunningTransaction::number);
    return found == running.end() ? nullptr : &*found;
}

// No command of a message was said before RSET, so a failure of RSET concerns the connection.
bool is_at_reset(const std::deque<RunningTransaction>& running, const Pipeline& pipeline,
                 bool is_closed_in_order) {
    if (pipeline.is_empty() || pipeline.front().question != Question::rset) return false;
    const auto* const waiting = find(running, pipeline.front().transaction);
    return waiting != nullptr && !waiting->is_in_doubt(pipeline, is_closed_in_order);
}

// The extension that the server perhaps only claims to know: one whose first use got no answer.
std::optional<SmtpKeyword> suspect_of(const SessionBreak& broken,
                                      const std::deque<RunningTransaction>& running,
                                      const Pipeline& pipeline, const SessionPast& past) {
    if (broken.is_refusal || broken.needs_new_connection || pipeline.asked() == 0)
        return std::nullopt;
    const auto question = pipeline.front().question;
    const auto* const waiting = find(running, pipeline.front().transaction);
    if (waiting == nullptr) return std::nullopt;
    // A server that loses what comes behind a command has answered that command; a host that says
    // nothing hangs.
    if (!broken.may_be_stale && waiting->answers() == 0) return std::nullopt;
    const bool is_body = question == Question::chunk || question == Question::body;
    if (is_body && waiting->uses_bdat())
        return past.has_bdat_answer ? std::nullopt : std::optional(SmtpKeyword::chunking);
    if (!pipeline.is_pipelining() || past.has_served || pipeline.asked() < 2) return std::nullopt;
    // That command must have been the only one: a server that hangs at a later command has read
    // those that came with it.
    if (broken.is_timeout() && waiting->answers() > 1) return std::nullopt;
    return SmtpKeyword::pipelining;
}

}  // namespace

BreakOutcome outcome_of(SessionBreak broken, std::deque<RunningTransaction>& running,
                        const Pipeline& pipeline, const SessionPast& past) {
    const bool is_in_order = broken.is_closed_in_order;
    if (is_at_reset(running, pipeline, is_in_order)) broken.needs_new_connection = true;
    const auto stage = running.empty() ? Stage::mail : running.front().stage(pipeline, is_in_order);
    BreakOutcome outcome{.session = {.error = broken.error_at(stage)}};
    outcome.session.error.remote = past.remote;
    const bool is_of_host = outcome.session.error.scope == Scope::host;
    const auto suspect = suspect_of(broken, running, pipeline, past);

    bool is_stale = broken.may_be_stale || broken.needs_new_connection;
    for (auto& each : running) {
        const bool is_first = &each == &running.front();
        const bool has_no_mail = is_first && broken.needs_new_connection;
        const bool in_doubt =
            !broken.is_refusal && !has_no_mail && each.is_in_doubt(pipeline, is_in_order);
        // The first one is the reason, unless the connection was stale.
        const bool is_innocent = is_first ? broken.may_be_stale && past.has_served : !is_of_host;
        const bool never_began =
            !each.is_over() && !in_doubt && (has_no_mail || (is_innocent && each.answers() == 0));
        if (!never_began) is_stale = false;
        const bool is_suspicious = !never_began && !each.is_over();
        TransactionEnded ended{.in_doubt = in_doubt,
                               .never_began = never_began,
                               .chunking_refused = broken.chunking_refused,
                               .suspect = is_suspicious ? suspect : std::nullopt,
                               .has_timed_out = broken.is_timeout()};
        auto error = broken.error_at(each.stage(pipeline, is_in_order));
        if (is_break(error) && !never_began) {
            each.break_off(std::move(error), pipeline, ended);
        } else {
            each.refuse_rest(error);
        }
        each.conclude(past.remote, pipeline, ended);
        outcome.transactions.push_back(std::move(ended));
    }
    outcome.session.reason = is_stale     ? EndReason::idle_closed
                             : is_of_host ? EndReason::failed
                                          : EndReason::message;
    return outcome;
}

}  // namespace mta::smtp
