// What each command does to the transaction, and how the client gets its message through.
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "mta/smtp/server/mail_requests.h"
#include "mta/smtp/server/server_session.h"

namespace mta::smtp {
void ServerSession::on_line(Instant now, std::string_view line, bool is_too_long) {
    ++commands_of_turn_;
    const Verb verb = verb_of(line);
    if (refused_text_ && is_of_refused_text(now, verb, line)) return;
    early_.begin_reply(verb, client_.rights.is_own, is_extended_, !helo_name_.empty());
    const bool is_utf8 = incoming_ && incoming_->envelope.is_smtputf8();
    auto command = is_too_long ? std::unexpected(ServerReply{500, {5, 5, 2}, "line too long"})
                               : parse_command(line, extensions_, is_utf8);
    if (command) return on_command(now, std::move(*command), line);
    if (verb == Verb::data) return refuse_data(line, command.error());
    if (verb != Verb::bdat) return refuse_command(line, command.error());
    // How many bytes are to be skipped is unknown: nothing that follows can be understood.
    say_refused(line, command.error());
    end(EndReason::violation, "a BDAT that cannot be read");
}

void ServerSession::on_command(Instant now, Command command, std::string_view line) {
    enter_command(now);
    auto& arguments = command.arguments;
    switch (command.verb) {
        case Verb::ehlo:
        case Verb::helo: return on_hello(now, command.verb, std::get<HelloArguments>(arguments));
        case Verb::mail: return on_mail(now, std::get<MailArguments>(std::move(arguments)), line);
        case Verb::rcpt: return on_rcpt(now, std::get<RcptArguments>(std::move(arguments)), line);
        case Verb::data: return on_data(line);
        case Verb::bdat: return on_bdat(now, std::get<BdatArguments>(arguments));
        case Verb::rset:
            reset_transaction("RSET");
            return on_idle_command({250, {2, 0, 0}, "forgotten"});
        case Verb::noop: return on_idle_command({250, {2, 0, 0}, "here"});
        case Verb::vrfy:
            return on_idle_command({252, {2, 0, 0}, "cannot verify, send to the address to see"});
        case Verb::help:
            return on_idle_command({214,
                                    {2, 0, 0},
                                    "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\n"
                                    "this is Posthouse, a mail relay; its postmaster is " +
                                        postmaster_of(options_).address});
        case Verb::quit:
            say(221, {2, 0, 0}, options_.hostname + " says goodbye");
            return end(EndReason::quit, "QUIT");
        case Verb::etrn: return on_etrn(now, std::get<EtrnArguments>(std::move(arguments)), line);
        case Verb::expn:
        case Verb::starttls:
        case Verb::auth:
        case Verb::unknown: break;  // the parser has refused them
    }
    std::unreachable();
}

// RFC 5321 section 4.1.4: a name that means nothing is no reason to refuse; EHLO in the middle is
// RSET.
void ServerSession::on_hello(Instant now, Verb verb, const HelloArguments& arguments) {
    reset_transaction("EHLO");
    helo_name_ = arguments.name;
    is_extended_ = verb == Verb::ehlo;
    on_idle_command(
        {250,
         {},
         is_extended_ ? ehlo_text(options_, extensions_, client_.rights, now) : options_.hostname});
}

// ---- Decisions ----

void ServerSession::ask(Instant now, std::string_view line, Question question, Event event) {
    asked_line_.assign(line.substr(0, logged_bytes_max));
    question_ = std::move(question);
    events_.push_back(std::move(event));
    state_ = State::deciding;
    clock_.suspend(now);
}

void ServerSession::on_mail(Instant now, MailArguments arguments, std::string_view line) {
    if (helo_name_.empty()) return refuse_command(line, out_of_order("send EHLO first"));
    if (incoming_) {
        return refuse_command(line, out_of_order("a MAIL is under way already; RSET forgets it"));
    }
    if (arguments.size.value_or(0) > options_.message_bytes_max) {
        return refuse_command(line, reply_to(DataProblem::too_large));
    }
    MailAsked asked{arguments.reverse_path.text(), arguments.size};
    ask(now, line, std::move(arguments), std::move(asked));
}

void ServerSession::conclude(Instant now, const MailArguments& arguments, const Verdict& verdict) {
    if (!verdict) {
        const auto& reply = verdict.error();
        return reply.code < 500 ? defer_mail(asked_line_, reply)
                                : refuse_command(asked_line_, reply);
    }
    const auto requests = requests_of(arguments, options_, client_.rights, now);
    if (!requests) return refuse_command(asked_line_, requests.error());
    incoming_.emplace(Incoming{.envelope = IncomingEnvelope(arguments, *requests)});
    if (!std::exchange(has_mail_ended_silence_, true)) {
        clock_.end_silence(now);
        enter_command(now);
    }
    say(250, {2, 1, 0}, "sender ok");
}

void ServerSession::defer_mail(std::string_view line, const ServerReply& reply) {
    say_refused(line, reply);
    if (++deferrals_ < limits::session_deferrals_max) return;
    end_with(closing({4, 3, 2}, "try again later"), EndReason::too_many_errors,
             "it asked again and again while no mail was taken");
}

void ServerSession::on_rcpt(Instant now, RcptArguments arguments, std::string_view line) {
    if (!incoming_) return refuse_command(line, out_of_order("send MAIL first"));
    if (incoming_->phase != Phase::envelope) {
        return refuse_command(line, out_of_order("the message has begun; RSET forgets it"));
    }
    auto& path = arguments.forward_path;
    const bool is_postmaster = path.is_bare_postmaster();
    auto recipient =
        is_postmaster
            ? postmaster_of(options_)
            : Recipient{.address = path.text(), .domain = path.canonical_domain, .orcpt = {}};
    recipient.notify = arguments.notify;
    recipient.orcpt = std::move(arguments.orcpt);
    if (is_postmaster) return add_recipient(std::move(recipient), line);
    ask(now, line, std::move(recipient), RecipientAsked{std::move(path)});
}

void ServerSession::conclude(Instant /*now*/, Recipient recipient, const Verdict& verdict) {
    if (verdict) return add_recipient(std::move(recipient), asked_line_);
    incoming().envelope.set_recipient_refused();
    refuse_command(asked_line_, verdict.error());
}

void ServerSession::add_recipient(Recipient recipient, std::string_view line) {
    using Rcpt = IncomingEnvelope::Rcpt;
    const auto result = incoming().envelope.add(std::move(recipient), options_.recipients_max);
    if (result == Rcpt::taken) return say(250, {2, 1, 5}, "recipient ok");
    if (result != Rcpt::repeated_too_often) {
        // No mistake of the client's, so it is not counted as one.
        say_refused(line, {452, {4, 5, 3}, "too many recipients, send the rest later"},
                    result != Rcpt::put_off);
        if (result != Rcpt::put_off_too_often) return;
    }
    end_with(closing({4, 7, 0}, "too many recipients"), EndReason::too_many_errors, {});
}

// RFC 1985. A client that may not use it gets the reply of a server that does not know it.
void ServerSession::on_etrn(Instant now, EtrnArguments arguments, std::string_view line) {
    if (!client_.rights.may_wake) {
        return refuse_command(line, etrn_not_available());
    }
    if (helo_name_.empty()) return refuse_command(line, out_of_order("send EHLO first"));
    if (incoming_) return refuse_command(line, out_of_order("not while a MAIL is under way"));
    ask(now, line, EtrnQuestion{}, EtrnAsked{std::move(arguments)});
}

void ServerSession::conclude(Instant /*now*/, EtrnQuestion /*question*/, const Verdict& verdict) {
    MTA_ASSERT(!verdict);
    const auto& reply = verdict.error();
    if (reply.code >= 400) return refuse_command(asked_line_, reply);
    on_idle_command(reply);
}

// Harmless, but no reason to stay for ever.
void ServerSession::on_idle_command(const ServerReply& reply) {
    if (++idle_commands_ <= limits::session_idle_commands_max) return append_reply(output_, reply);
    end_with(closing({4, 7, 0}, "no mail for too long"), EndReason::too_many_errors, {});
}

// ---- A message ----

// Why a message cannot begin now.
std::optional<ServerReply> ServerSession::refusal_to_begin() const {
    if (!incoming_) return out_of_order("send MAIL and RCPT first");
    return incoming_->envelope.refusal_to_begin();
}

void ServerSession::on_data(std::string_view line) {
    if (incoming_ && incoming_->phase != Phase::envelope) {
        return refuse_data(line, out_of_order("a message that began with BDAT ends with BDAT"));
    }
    if (const auto refusal = refusal_to_begin()) return refuse_data(line, *refusal);
    announce();
}

// Whatever the answer will be, first the bytes are taken: they are never commands.
void ServerSession::on_bdat(Instant now, const BdatArguments& arguments) {
    chunk_ = Chunk{.bytes = arguments.size, .left = arguments.size, .is_last = arguments.is_last};
    if (incoming_ && incoming_->phase != Phase::envelope) {
        if (incoming_->has_chunk_failed) {
            chunk_->refusal = out_of_order("a chunk before this one failed; send RSET");
        } else {
            chunk_->refusal = body().refusal();
        }
    } else {
        chunk_->refusal = refusal_to_begin();
        if (!chunk_->refusal) return announce();
    }
    enter_chunk(now);
}

ServerSession::Incoming& ServerSession::incoming() {
    MTA_ASSERT(incoming_.has_value());
    return *incoming_;
}

BodyReception& ServerSession::body() {
    auto& body = incoming().body;
    MTA_ASSERT(body.has_value());
    return *body;
}

ServerSession::Chunk& ServerSession::chunk() {
    MTA_ASSERT(chunk_.has_value());
    return *chunk_;
}

void ServerSession::announce() {
    auto& current = incoming();
    current.phase = Phase::announced;
    events_.emplace_back(MessageBegins{current.envelope.take_envelope(),
                                       current.envelope.declared_size(), helo_name_});
    state_ = State::beginning;
    clock_.stop();
}

void ServerSession::enter_chunk(Instant now) {
    state_ = State::chunk;
    clock_.await_data(now);
    if (chunk().left == 0) finish_chunk(now);
}

// All bytes of the chunk have come.
void ServerSession::finish_chunk(Instant now) {
    const Chunk done = std::move(chunk());
    chunk_.reset();
    if (done.bytes > 0 && incoming_) clock_.end_silence(now);
    enter_command(now);
    std::optional<ServerReply> refusal = done.refusal;
    if (!refusal) {
        if (done.is_last) {
            body().finish_chunks();
            abort_if_refused();
            return finish_message(now, "BDAT");
        }
        refusal = body().refusal();
    }
    if (!refusal) {
        const ServerReply reply{250, {2, 0, 0}, std::to_string(done.bytes) + " bytes received"};
        return done.bytes > 0 ? append_reply(output_, reply) : on_idle_command(reply);
    }
    if (incoming_) {
        incoming_->has_chunk_failed = true;
        if (done.is_last) reset_transaction("refused");
    }
    refuse_command("BDAT", *refusal);
}

// The message's end has come.
void ServerSession::finish_message(Instant now, std::string_view command) {
    clock_.end_silence(now);
    if (const auto refusal = body().refusal()) {
        incoming_.reset();
        enter_command(now);
        return refuse_command(command, *refusal);
    }
    incoming().phase = Phase::settled;
    events_.emplace_back(MessageEnds{body().facts(), body().message_id()});
    state_ = State::storing;
    clock_.stop();
}

// The message has its answer, in a turn of its own.
void ServerSession::leave_store(Instant now) {
    commands_of_turn_ = 0;
    incoming_.reset();
    clock_.end_silence(now);
    has_mail_ended_silence_ = false;
    enter_command(now);
    if (is_shutting_down_) return shutdown(now);
    process_held(now);
}

// From here on the body only passes by.
void ServerSession::abort_if_refused() {
    if (body().is_refused() && incoming().phase == Phase::announced)
        abort_message(body().refusal_cause());
}

void ServerSession::abort_message(std::string_view reason) {
    incoming().phase = Phase::settled;
    events_.emplace_back(MessageAborted{std::string(reason)});
    if (incoming().body) [[maybe_unused]]
        const auto dropped = incoming().body->take();
}

void ServerSession::reset_transaction(std::string_view reason) {
    if (incoming_ && incoming_->phase == Phase::announced) abort_message(reason);
    incoming_.reset();
}

bool ServerSession::is_body_full() const {
    return (state_ == State::data || state_ == State::chunk) && incoming_ && incoming_->body &&
           incoming_->body->is_full();
}

}  // namespace mta::smtp
