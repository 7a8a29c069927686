// How transactions and sessions end.
#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/smtp/client/client_session.h"

namespace mta::smtp {
namespace {

// The host was up, and the session is over: not an answer about this message.
bool is_break(const DeliveryError& error) {
    return error.scope != Scope::host && (error.reply_code == 0 || error.reply_code == 421);
}

}  // namespace

DeliveryError ClientSession::with_remote(DeliveryError error) const {
    error.remote = options_.remote;
    return error;
}

void ClientSession::refuse_rest(Running& running, DeliveryError error) {
    error = with_remote(std::move(error));
    for (auto& own : running.errors) {
        if (!own) own = error;
    }
}

// Transactions end in the order of their start, also those that were answered without the server.
void ClientSession::settle(Instant now) {
    while (!running_.empty() && running_.front().is_over()) {
        finish_transaction(running_.front(), {});
        running_.pop_front();
    }
    if (state_ != State::open || !running_.empty() || !ready_due_) return;
    ready_due_ = false;
    if (quit_wanted_) return say_quit(now);
    events_.push_back(Ready{});
}

void ClientSession::finish_transaction(Running& running, TransactionEnded ended) {
    ended.number = running.number;
    ended.dsn_passed_on = running.plan.passes_dsn_on;
    ended.deliver_by_passed_on = running.plan.passes_deliver_by_on;
    ended.answers = running.answers;
    if (pipelines()) ended.used.add(SmtpKeyword::pipelining);
    if (running.plan.uses_bdat) ended.used.add(SmtpKeyword::chunking);
    bool has_accepted = false;
    for (auto& error : running.errors) {
        if (error) {
            ended.recipients.emplace_back(std::unexpected(std::move(*error)));
        } else {
            ended.recipients.emplace_back();
            has_accepted = true;
        }
    }
    if (has_accepted) {
        MTA_ASSERT(running.final_reply.first_digit() == 2);
        ended.reply_code = running.final_reply.code;
        ended.reply = text_of(running.final_reply);
    }
    // A transaction behind it has already sent RSET where one could be needed.
    if (running_.size() == 1 && running.has_open_mail) needs_reset_ = true;
    has_served_ = has_served_ || running.answers > 0;
    events_.emplace_back(std::move(ended));
}

void ClientSession::fail_unexpected(const Reply& reply) {
    fail([&](Stage at) { return error_from_unexpected(at, reply); }, {});
}

// What stands behind a transaction that has got its answer has not begun.
void ClientSession::fail_in_reply(Instant now, const ErrorAt& error_at, Failure failure) {
    if (const auto reply = parser_.take_cut()) {
        const bool has_settled = take_cut_reply(now, *reply);
        failure.may_be_stale = failure.may_be_stale || has_settled;
    }
    if (state_ != State::ended) fail(error_at, failure);
}

void ClientSession::fail(const ErrorAt& error_at, Failure failure) {
    // Nothing of this message was said before RSET, and whatever becomes of that is about the
    // connection.
    if (!awaited_.empty() && awaited_.front().question == Question::rset &&
        !is_in_doubt(*awaited_.front().running)) {
        failure.needs_new_connection = true;
    }
    DeliveryError error = with_remote(error_at(stage()));
    const bool had_served = has_served_;
    const auto suspected = suspect(failure);
    bool is_stale = (failure.may_be_stale || failure.needs_new_connection) && state_ == State::open;
    for (bool is_first = true; !running_.empty(); is_first = false) {
        Running& running = running_.front();
        const bool has_no_mail = is_first && failure.needs_new_connection;
        const bool in_doubt = !failure.is_refusal && !has_no_mail && is_in_doubt(running);
        // The first one is the reason, unless the connection was stale.
        const bool is_innocent =
            is_first ? failure.may_be_stale && had_served : error.scope != Scope::host;
        const bool never_began = !running.is_over() && !in_doubt &&
                                 (has_no_mail || (is_innocent && running.answers == 0));
        if (!never_began) is_stale = false;
        const bool is_suspicious = !never_began && !running.is_over();
        TransactionEnded ended{.in_doubt = in_doubt,
                               .never_began = never_began,
                               .chunking_refused = failure.chunking_refused,
                               .suspect = is_suspicious ? suspected : std::nullopt,
                               .has_timed_out = failure.is_timeout};
        auto own_error = error_at(stage_of(running));
        if (is_break(own_error) && !never_began) {
            break_off(running, std::move(own_error), ended);
        } else {
            refuse_rest(running, std::move(own_error));
        }
        finish_transaction(running, std::move(ended));
        running_.pop_front();
    }
    const auto reason = is_stale                     ? EndReason::idle_closed
                        : error.scope == Scope::host ? EndReason::failed
                                                     : EndReason::message;
    end(reason, std::move(error), failure);
}

void ClientSession::end(EndReason reason, DeliveryError error, Failure failure) {
    state_ = State::ended;
    running_.clear();
    awaited_.clear();
    awaited_handed_out_ = 0;
    output_ = failure.is_in_step ? "QUIT\r\n" : "";
    deadline_.reset();
    events_.emplace_back(SessionEnded{reason, std::move(error)});
}

// Some of these may have an answer already; the others get the break as theirs.
void ClientSession::break_off(Running& running, DeliveryError error,
                              TransactionEnded& ended) const {
    if (!ended.in_doubt) ended.suspects = suspects_of(running);
    error.scope = Scope::message;
    error = with_remote(std::move(error));
    for (std::size_t i = 0; i < running.errors.size(); ++i) {
        if (running.errors[i]) continue;
        ended.broken_off.push_back(i);
        running.errors[i] = error;
        if (ended.suspects.size() == 1 && ended.suspects.front() == i)
            running.errors[i]->scope = Scope::recipient;
    }
}

// The recipients whose RCPT was said and not answered.
std::vector<std::size_t> ClientSession::suspects_of(const Running& running) const {
    std::vector<std::size_t> suspects;
    for (const auto& awaited : awaited_)
        if (awaited.running == &running && awaited.question == Question::rcpt)
            suspects.push_back(awaited.recipient);
    return suspects;
}

// What a server that only claims to know it breaks at: the first use of it, if that got no answer.
std::optional<SmtpKeyword> ClientSession::suspect(const Failure& failure) const {
    if (failure.is_refusal || failure.needs_new_connection) return std::nullopt;
    if (awaited_handed_out_ == 0 || awaited_.front().running == nullptr) return std::nullopt;
    const auto& [question, running, recipient] = awaited_.front();
    // One that loses what comes behind a command has answered that command; a host that says
    // nothing hangs.
    if (!failure.may_be_stale && running->answers == 0) return std::nullopt;
    const bool is_body = question == Question::chunk || question == Question::body;
    if (is_body && running->plan.uses_bdat) {
        return has_bdat_answer_ ? std::nullopt : std::optional(SmtpKeyword::chunking);
    }
    if (!pipelines() || has_served_ || awaited_handed_out_ < 2) return std::nullopt;
    // And it was the only one: who hangs at a later command has read those that came with it.
    if (failure.is_timeout && running->answers > 1) return std::nullopt;
    return SmtpKeyword::pipelining;
}

Stage ClientSession::stage() const {
    if (!running_.empty()) return stage_of(running_.front());
    if (awaited_.empty()) return Stage::mail;
    return awaited_.front().question == Question::greeting ? Stage::greeting : Stage::ehlo;
}

Stage ClientSession::stage_of(const Running& running) const {
    if (running.body == BodyPhase::pulling || is_in_doubt(running)) return Stage::body;
    const auto awaited = std::ranges::find(awaited_, &running, &Awaited::running);
    if (awaited == awaited_.end()) return Stage::mail;
    switch (awaited->question) {
        case Question::rset: return Stage::rset;
        case Question::rcpt: return Stage::rcpt;
        case Question::data: return Stage::data;
        case Question::chunk:
        case Question::body: return Stage::body;
        default: return Stage::mail;
    }
}

// Some recipient may have been accepted, and all of the body has left. A server that has closed in
// order had said all that it had to say: with an earlier command unanswered it has not come to the
// body.
bool ClientSession::is_in_doubt(const Running& running) const {
    const bool has_open = std::ranges::any_of(running.errors, [](const auto& e) { return !e; });
    if (!has_open) return false;
    const auto end = awaited_.begin() + static_cast<std::ptrdiff_t>(awaited_handed_out_);
    for (auto awaited = awaited_.begin(); awaited != end; ++awaited) {
        if (awaited->running != &running) continue;
        if (awaited->question == Question::body) return true;
        if (is_closed_in_order_) return false;
    }
    return false;
}

Millis ClientSession::timeout_of(Question question) const {
    switch (question) {
        case Question::greeting: return options_.timeouts.greeting;
        case Question::ehlo:
        case Question::helo:
        case Question::mail:
        case Question::rcpt: return options_.timeouts.command;
        case Question::rset: return options_.timeouts.rset;
        case Question::data: return options_.timeouts.data_command;
        case Question::chunk: return options_.timeouts.data_block;
        case Question::body: return options_.timeouts.final_dot;
    }
    return options_.timeouts.command;
}

void ClientSession::rearm(Instant now) {
    waits_since_ = now;
    if (!awaited_.empty()) {
        deadline_ = now + timeout_of(awaited_.front().question);
    } else if (!running_.empty() && running_.front().body == BodyPhase::pulling) {
        deadline_ = now + options_.timeouts.data_block;
    } else {
        deadline_.reset();
    }
}

}  // namespace mta::smtp
