#include "mta/smtp/client/running_transaction.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::smtp {

RunningTransaction::RunningTransaction(TransactionNumber number, Transaction&& transaction,
                                       const Capabilities& capabilities, Instant now)
    : number_(number),
      transaction_(std::move(transaction)),
      plan_(plan_transaction(transaction_, capabilities, now)),
      errors_(transaction_.envelope.recipients.size()) {
    if (plan_.error) {
        refuse_rest(*plan_.error);
    } else {
        for (std::size_t i = 0; i < errors_.size(); ++i)
            if (!plan_.recipients[i]) errors_[i] = plan_.recipients[i].error();
    }
    if (std::ranges::all_of(errors_, [](const auto& error) { return error.has_value(); }))
        body_ = Body::dropped;
}

// ---- Commands ----

void RunningTransaction::begin(bool needs_reset, Pipeline& pipeline) {
    MTA_ASSERT(!is_over() && step_ == Step::none);
    encoder_ = BodyEncoder(plan_.encoding);
    step_ = needs_reset ? Step::rset : Step::mail;
    advance(pipeline);
}

void RunningTransaction::advance(Pipeline& pipeline) {
    while (step_ != Step::none && may_say_next(pipeline)) say_next(pipeline);
}

// With PIPELINING everything at once, except for a body that has to be pulled with BDAT: that waits
// until it is known whether any recipient was accepted.
bool RunningTransaction::may_say_next(const Pipeline& pipeline) const {
    if (!pipeline.is_pipelining()) return pipeline.may_say_next();
    if (step_ != Step::data || !plan_.uses_bdat || transaction_.body) return true;
    return recipients_answered_ == recipients_asked_;
}

void RunningTransaction::say_next(Pipeline& pipeline) {
    switch (step_) {
        case Step::rset:
            say(Question::rset, "RSET\r\n", pipeline);
            step_ = Step::mail;
            return;
        case Step::mail:
            say(Question::mail, plan_.mail, pipeline);
            step_ = Step::rcpt;
            break;
        case Step::rcpt: say_recipient(pipeline); break;
        case Step::data: return say_data(pipeline);
        case Step::none: return;
    }
    while (next_recipient_ < errors_.size() && !plan_.recipients[next_recipient_])
        ++next_recipient_;
    if (next_recipient_ == errors_.size()) step_ = Step::data;
}

void RunningTransaction::say(Question question, std::string_view command, Pipeline& pipeline) {
    pipeline.say({question, number_}, command);
    ++replies_awaited_;
}

void RunningTransaction::say_recipient(Pipeline& pipeline) {
    const auto recipient = next_recipient_++;
    pipeline.say({Question::rcpt, number_, recipient}, *plan_.recipients[recipient]);
    ++replies_awaited_;
    ++recipients_asked_;
}

void RunningTransaction::say_data(Pipeline& pipeline) {
    step_ = Step::none;
    if (!plan_.uses_bdat) return say(Question::data, "DATA\r\n", pipeline);
    if (transaction_.body) return append_body(*transaction_.body, true, pipeline);
    body_ = Body::pulling;
}

void RunningTransaction::append_body(std::string_view piece, bool is_last, Pipeline& pipeline) {
    if (is_last) body_ = Body::complete;
    if (!plan_.uses_bdat) {
        encoder_.append(piece, pipeline.output());
        if (!is_last) return;
        encoder_.finish(pipeline.output());
        return say(Question::body, "", pipeline);
    }
    std::string chunk;
    encoder_.append(piece, chunk);
    if (is_last) encoder_.finish(chunk);
    if (chunk.empty() && !is_last) return;
    say(is_last ? Question::body : Question::chunk,
        "BDAT " + std::to_string(chunk.size()) + (is_last ? " LAST\r\n" : "\r\n"), pipeline);
    pipeline.output() += chunk;
}

// ---- Replies ----

std::optional<SessionBreak> RunningTransaction::on_reply(const Reply& reply,
                                                         Circumstances circumstances,
                                                         Pipeline& pipeline) {
    auto broken = dispatch(reply, circumstances, pipeline);
    if (!broken) --replies_awaited_;
    return broken;
}

std::optional<SessionBreak> RunningTransaction::dispatch(const Reply& reply,
                                                         Circumstances circumstances,
                                                         Pipeline& pipeline) {
    const auto& awaited = pipeline.front();
    switch (awaited.question) {
        case Question::rset: return on_rset_reply(reply, pipeline);
        case Question::mail: return on_mail_reply(reply);
        case Question::rcpt: return on_rcpt_reply(reply, awaited.recipient);
        case Question::data: return on_data_reply(reply, pipeline);
        case Question::chunk: return on_body_reply(reply, false, circumstances);
        case Question::body: return on_body_reply(reply, true, circumstances);
    }
    return std::nullopt;
}

std::optional<SessionBreak> RunningTransaction::on_rset_reply(const Reply& reply,
                                                              const Pipeline& pipeline) {
    if (reply.first_digit() == 2) return std::nullopt;
    // A body that has left with it may have been taken.
    if (is_in_doubt(pipeline)) {
        is_reset_refused_ = true;
        return std::nullopt;
    }
    return SessionBreak{.cause = SessionBreak::Refusal{reply, Stage::rset},
                        .is_in_step = true,
                        .needs_new_connection = true};
}

std::optional<SessionBreak> RunningTransaction::on_mail_reply(const Reply& reply) {
    ++answers_;
    if (reply.first_digit() == 2) {
        has_open_mail_ = true;
        return std::nullopt;
    }
    if (reply.first_digit() == 3) return SessionBreak{SessionBreak::Unexpected{reply}};
    if (is_reset_refused_) {
        // What was said behind it may have been taken.
        return SessionBreak{.cause = SessionBreak::Unexpected{reply}, .needs_new_connection = true};
    }
    is_refused_ = true;
    refuse_rest(error_from_reply(Stage::mail, reply));
    if (step_ == Step::none) return std::nullopt;  // all was said; the rest of the replies is void
    step_ = Step::none;
    body_ = Body::dropped;
    return std::nullopt;
}

std::optional<SessionBreak> RunningTransaction::on_rcpt_reply(const Reply& reply,
                                                              std::size_t recipient) {
    ++answers_;
    ++recipients_answered_;
    if (reply.first_digit() == 3) return SessionBreak{SessionBreak::Unexpected{reply}};
    if (reply.first_digit() == 2) has_open_mail_ = true;
    if (is_refused_) return std::nullopt;

    if (reply.first_digit() == 2) {
        ++recipients_accepted_;
    } else {
        errors_[recipient] = error_from_reply(Stage::rcpt, reply);
    }
    const bool is_last = recipients_answered_ == recipients_asked_;
    if (step_ == Step::data && is_last && recipients_accepted_ == 0) {
        step_ = Step::none;
        body_ = Body::dropped;
    }
    return std::nullopt;
}

std::optional<SessionBreak> RunningTransaction::on_data_reply(const Reply& reply,
                                                              Pipeline& pipeline) {
    ++answers_;
    if (reply.first_digit() == 2) return SessionBreak{SessionBreak::Unexpected{reply}};
    if (reply.first_digit() != 3) {
        refuse_rest(error_from_reply(Stage::data, reply));
        body_ = Body::dropped;
        return std::nullopt;
    }
    if (recipients_accepted_ == 0 || is_refused_) {
        // The server should have refused; an empty message without recipients brings the dialogue
        // back into step (RFC 2920 section 3.1).
        body_ = Body::complete;
        say(Question::body, ".\r\n", pipeline);
    } else if (transaction_.body) {
        append_body(*transaction_.body, true, pipeline);
    } else {
        body_ = Body::pulling;
    }
    return std::nullopt;
}

std::optional<SessionBreak> RunningTransaction::on_body_reply(const Reply& reply, bool is_last,
                                                              Circumstances circumstances) {
    ++answers_;
    if (reply.first_digit() == 3) return SessionBreak{SessionBreak::Unexpected{reply}};
    if (reply.first_digit() != 2) return on_body_refused(reply, circumstances);
    if (is_last) {
        has_open_mail_ = false;
        final_reply_ = reply;
    }
    return std::nullopt;
}

std::optional<SessionBreak> RunningTransaction::on_body_refused(const Reply& reply,
                                                                Circumstances circumstances) {
    if (plan_.uses_bdat) {
        const bool had_reason = recipients_accepted_ == 0 || is_refused_;
        const bool is_unknown = reply.code == 500 || reply.code == 502;
        const bool is_misplaced = reply.code == 503 || reply.code == 504;
        if (is_unknown || (is_misplaced && !had_reason)) {
            // It now reads the body as commands: there is no way back into step.
            return SessionBreak{.cause = SessionBreak::Refusal{reply, Stage::ehlo},
                                .is_refusal = true,
                                .chunking_refused = true};
        }
    } else if (reply.code == 552 || !circumstances.is_all_sent) {
        // The server may have said it in the middle of the body (552: as soon as that is too
        // large), with another reply to come at the final dot, or to every line. A command behind
        // it could get that one.
        return SessionBreak{.cause = SessionBreak::Refusal{reply},
                            .is_refusal = true,
                            .is_in_step = circumstances.is_alone};
    } else {
        has_open_mail_ = false;
    }
    refuse_rest(error_from_reply(Stage::body, reply));
    is_refused_ = true;
    if (body_ == Body::pulling) body_ = Body::dropped;
    return std::nullopt;
}

// ---- The end ----

void RunningTransaction::refuse_rest(const DeliveryError& error) {
    for (auto& own : errors_)
        if (!own) own = error;
}

void RunningTransaction::break_off(DeliveryError error, const Pipeline& pipeline,
                                   TransactionEnded& ended) {
    if (!ended.in_doubt) ended.suspects = pipeline.recipients_awaited(number_);
    error.scope = Scope::message;
    for (std::size_t i = 0; i < errors_.size(); ++i) {
        if (errors_[i]) continue;
        ended.broken_off.push_back(i);
        errors_[i] = error;
        if (ended.suspects.size() == 1 && ended.suspects.front() == i)
            errors_[i]->scope = Scope::recipient;
    }
}

void RunningTransaction::conclude(const std::string& remote, const Pipeline& pipeline,
                                  TransactionEnded& ended) {
    ended.number = number_;
    ended.dsn_passed_on = plan_.passes_dsn_on;
    ended.deliver_by_passed_on = plan_.passes_deliver_by_on;
    ended.answers = answers_;
    if (pipeline.is_pipelining()) ended.used.add(SmtpKeyword::pipelining);
    if (plan_.uses_bdat) ended.used.add(SmtpKeyword::chunking);
    bool has_accepted = false;
    ended.recipients.reserve(errors_.size());
    for (auto& error : errors_) {
        if (error) {
            error->remote = remote;
            ended.recipients.emplace_back(std::unexpected(std::move(*error)));
        } else {
            ended.recipients.emplace_back();
            has_accepted = true;
        }
    }
    if (has_accepted) {
        MTA_ASSERT(final_reply_.first_digit() == 2);
        ended.reply_code = final_reply_.code;
        ended.reply = text_of(final_reply_);
    }
}

// ---- What it is waiting for ----

bool RunningTransaction::is_over() const {
    return replies_awaited_ == 0 && step_ == Step::none &&
           (body_ == Body::complete || body_ == Body::dropped);
}

bool RunningTransaction::is_in_doubt(const Pipeline& pipeline, bool is_closed_in_order) const {
    if (std::ranges::all_of(errors_, [](const auto& error) { return error.has_value(); }))
        return false;
    if (is_closed_in_order) return pipeline.first_asked_of(number_) == Question::body;
    return pipeline.has_asked(number_, Question::body);
}

Stage RunningTransaction::stage(const Pipeline& pipeline, bool is_closed_in_order) const {
    if (is_pulling() || is_in_doubt(pipeline, is_closed_in_order)) return Stage::body;
    const auto question = pipeline.first_of(number_);
    if (!question) return Stage::mail;
    switch (*question) {
        case Question::rset: return Stage::rset;
        case Question::mail: return Stage::mail;
        case Question::rcpt: return Stage::rcpt;
        case Question::data: return Stage::data;
        case Question::chunk:
        case Question::body: return Stage::body;
    }
    return Stage::mail;
}

}  // namespace mta::smtp
