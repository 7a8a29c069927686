#include "mta/smtp/server/transaction_dialogue.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/smtp/server/mail_requests.h"
#include "mta/smtp/server/trace.h"

namespace mta::smtp {

using namespace server_event;

void TransactionDialogue::enter(State state, Instant now) {
    state_ = state;
    switch (state) {
        case State::command: return clock_.await_command(now);
        case State::deciding: return clock_.suspend(now);
        case State::data:
        case State::chunk: return clock_.await_data(now);
        case State::beginning:
        case State::storing: return clock_.stop();
    }
}

TransactionDialogue::Incoming& TransactionDialogue::incoming() {
    MTA_ASSERT(incoming_.has_value());
    return *incoming_;
}

BodyReception& TransactionDialogue::body() {
    auto& body = incoming().body;
    MTA_ASSERT(body.has_value());
    return *body;
}

TransactionDialogue::Chunk& TransactionDialogue::chunk() {
    MTA_ASSERT(chunk_.has_value());
    return *chunk_;
}

// ---- The envelope ----

Answer TransactionDialogue::mail(Instant now, MailArguments&& arguments) {
    if (client_.helo_name.empty()) return mistake(out_of_order("send EHLO first"));
    if (incoming_) return mistake(out_of_order("a MAIL is under way already; RSET forgets it"));
    if (arguments.size.value_or(0) > options_.message_bytes_max)
        return mistake(reply_to(DataProblem::too_large));
    events_.emplace_back(MailAsked{arguments.reverse_path.text(), arguments.size});
    question_ = std::move(arguments);
    enter(State::deciding, now);
    return {};
}

Answer TransactionDialogue::rcpt(Instant now, RcptArguments&& arguments) {
    if (!incoming_) return mistake(out_of_order("send MAIL first"));
    if (has_begun()) return mistake(out_of_order("the message has begun; RSET forgets it"));
    auto& path = arguments.forward_path;
    const bool is_postmaster = path.is_bare_postmaster();
    auto recipient =
        is_postmaster
            ? postmaster_of(options_)
            : Recipient{.address = path.text(), .domain = path.canonical_domain, .orcpt = {}};
    recipient.notify = arguments.notify;
    recipient.orcpt = std::move(arguments.orcpt);
    if (is_postmaster) return add_recipient(std::move(recipient));
    events_.emplace_back(RecipientAsked{std::move(path)});
    question_ = std::move(recipient);
    enter(State::deciding, now);
    return {};
}

Answer TransactionDialogue::decide(Instant now, const ServerVerdict& verdict) {
    MTA_ASSERT(state_ == State::deciding);
    clock_.resume(now);
    auto answer = std::visit([&](auto& asked) { return conclude(now, asked, verdict); }, question_);
    enter(State::command, now);
    return answer;
}

Answer TransactionDialogue::conclude(Instant /*now*/, std::monostate /*none*/,
                                     const ServerVerdict& /*verdict*/) {
    std::unreachable();
}

Answer TransactionDialogue::conclude(Instant now, const MailArguments& arguments,
                                     const ServerVerdict& verdict) {
    if (!verdict) {
        const auto& reply = verdict.error();
        return {.kind = reply.code < 500 ? Answer::Kind::deferral : Answer::Kind::mistake,
                .reply = reply};
    }
    const auto requests = requests_of(arguments, options_, client_.info.rights, now);
    if (!requests) return mistake(requests.error());
    incoming_.emplace(Incoming{.envelope = IncomingEnvelope(arguments, *requests)});
    if (!std::exchange(has_mail_ended_silence_, true)) clock_.end_silence(now);
    return ok({250, {2, 1, 0}, "sender ok"});
}

Answer TransactionDialogue::conclude(Instant /*now*/, Recipient& recipient,
                                     const ServerVerdict& verdict) {
    if (verdict) return add_recipient(std::move(recipient));
    incoming().envelope.set_recipient_refused();
    return mistake(verdict.error());
}

Answer TransactionDialogue::add_recipient(Recipient&& recipient) {
    using Rcpt = IncomingEnvelope::Rcpt;
    constexpr std::string_view too_many = "too many recipients";
    const auto result = incoming().envelope.add(std::move(recipient), options_.recipients_max);
    if (result == Rcpt::taken) return ok({250, {2, 1, 5}, "recipient ok"});
    if (result == Rcpt::repeated_too_often) return {.end_cause = too_many};
    // No mistake of the client's, so it is not counted as one.
    return {
        .kind = result == Rcpt::put_off ? Answer::Kind::refusal : Answer::Kind::repetition,
        .reply = {452, {4, 5, 3}, "too many recipients, send the rest later"},
        .end_cause = result == Rcpt::put_off_too_often ? too_many : std::string_view{},
    };
}

// ---- The message begins ----

// Why a message cannot begin now.
std::optional<ServerReply> TransactionDialogue::refusal_to_begin() const {
    if (!incoming_) return out_of_order("send MAIL and RCPT first");
    return incoming_->envelope.refusal_to_begin();
}

Answer TransactionDialogue::data(Instant now) {
    const auto refusal = has_begun() ? out_of_order("a message that began with BDAT ends with BDAT")
                                     : refusal_to_begin();
    if (refusal) {
        auto answer = mistake(*refusal);
        answer.refuses_data = true;
        return answer;
    }
    announce(now);
    return {};
}

// Whatever the answer will be, first the bytes are taken: they are never commands.
Answer TransactionDialogue::bdat(Instant now, const BdatArguments& arguments) {
    chunk_ = Chunk{.bytes = arguments.size, .left = arguments.size, .is_last = arguments.is_last};
    if (has_begun()) {
        chunk_->refusal = incoming_->has_chunk_failed
                              ? out_of_order("a chunk before this one failed; send RSET")
                              : body().refusal();
    } else {
        chunk_->refusal = refusal_to_begin();
        if (!chunk_->refusal) {
            announce(now);
            return {};
        }
    }
    return enter_chunk(now);
}

void TransactionDialogue::announce(Instant now) {
    auto& current = incoming();
    current.phase = Phase::announced;
    events_.emplace_back(MessageBegins{current.envelope.take_envelope(),
                                       current.envelope.declared_size(), client_.helo_name});
    enter(State::beginning, now);
}

Answer TransactionDialogue::begin(Instant now, std::string queue_id) {
    MTA_ASSERT(state_ == State::beginning);
    auto& current = incoming();
    current.queue_id = std::move(queue_id);
    const auto trace = format_received({.helo_name = client_.helo_name,
                                        .remote = client_.info.remote.address,
                                        .hostname = options_.hostname,
                                        .is_extended = client_.is_extended,
                                        .is_smtputf8 = current.envelope.is_smtputf8(),
                                        .is_tls = client_.info.is_tls,
                                        .is_authenticated = client_.info.is_authenticated,
                                        .queue_id = current.queue_id,
                                        .only_recipient = current.envelope.only_recipient(),
                                        .priority = current.envelope.priority(),
                                        .now = now});
    current.body.emplace(data_limits(options_), trace,
                         current.envelope.declared_size().value_or(0));
    if (chunk_) return enter_chunk(now);
    enter(State::data, now);
    return ok({354, {}, "end the message with a line that has only a dot"});
}

// ---- Its bytes ----

std::optional<Answer> TransactionDialogue::feed(Instant now, std::string_view& input) {
    const bool is_dotted = state_ == State::data;
    if (!is_dotted && state_ != State::chunk) return std::nullopt;
    if (is_body_full()) {
        clock_.stop();
        return std::nullopt;
    }
    const auto offered = input.size();
    if (!is_dotted) {
        feed_chunk(input);
        clock_.count_data(now, offered - input.size());
        return chunk().left == 0 ? finish_chunk(now) : Answer{};
    }
    const bool has_ended = body().feed_dotted(input);
    clock_.count_data(now, offered - input.size());
    abort_if_refused();
    return has_ended ? finish_message(now, "DATA") : Answer{};
}

void TransactionDialogue::feed_chunk(std::string_view& input) {
    auto& current = chunk();
    if (current.refusal) {
        const auto taken = std::min<std::uint64_t>(current.left, input.size());
        input.remove_prefix(static_cast<std::size_t>(taken));
        current.left -= taken;
    } else {
        current.left -= body().feed_chunk(input, current.left);
        abort_if_refused();
    }
}

Answer TransactionDialogue::enter_chunk(Instant now) {
    enter(State::chunk, now);
    return chunk().left == 0 ? finish_chunk(now) : Answer{};
}

// All bytes of the chunk have come.
Answer TransactionDialogue::finish_chunk(Instant now) {
    const Chunk done = std::move(chunk());
    chunk_.reset();
    if (done.bytes > 0 && incoming_) clock_.end_silence(now);
    enter(State::command, now);
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
        ServerReply reply{250, {2, 0, 0}, std::to_string(done.bytes) + " bytes received"};
        return done.bytes > 0 ? ok(std::move(reply)) : idle(std::move(reply));
    }
    if (incoming_) {
        incoming_->has_chunk_failed = true;
        if (done.is_last) reset("refused");
    }
    return mistake(*std::move(refusal), "BDAT");
}

// The message's end has come.
Answer TransactionDialogue::finish_message(Instant now, std::string_view command) {
    clock_.end_silence(now);
    if (auto refusal = body().refusal()) {
        incoming_.reset();
        enter(State::command, now);
        return mistake(*std::move(refusal), command);
    }
    incoming().phase = Phase::settled;
    events_.emplace_back(MessageEnds{body().facts(), body().message_id()});
    enter(State::storing, now);
    return {};
}

std::size_t TransactionDialogue::body_bytes() const {
    return incoming_ && incoming_->body ? incoming_->body->bytes() : 0;
}

std::string TransactionDialogue::take_body(Instant now) {
    if (!incoming_ || !incoming_->body) return {};
    const bool was_full = is_body_full();
    auto bytes = body().take();
    if (was_full) clock_.await_data(now);
    return bytes;
}

bool TransactionDialogue::is_body_full() const {
    const bool takes_bytes = state_ == State::data || (state_ == State::chunk && !chunk_->refusal);
    return takes_bytes && incoming_ && incoming_->body && incoming_->body->is_full();
}

std::optional<ServerReply> TransactionDialogue::known_refusal() const {
    if (state_ != State::data) return std::nullopt;
    const auto& problem = incoming_->body->problem();
    return problem ? std::optional(reply_to(*problem)) : std::nullopt;
}

// ---- It is over ----

Answer TransactionDialogue::accept(Instant now) {
    MTA_ASSERT(state_ == State::storing);
    const auto& current = incoming();
    auto answer = ok({250, {2, 0, 0}, "queued as " + current.queue_id});
    if (current.envelope.is_priority_lowered()) {
        answer.reply.status = {2, 3, 6};
        answer.reply.text = std::to_string(current.envelope.priority()) + " is the new priority, " +
                            answer.reply.text;
    }
    finish_transaction(now);
    return answer;
}

Answer TransactionDialogue::refuse(Instant now, ServerReply reply) {
    Answer answer{.kind = Answer::Kind::refusal, .reply = std::move(reply), .subject = "message"};
    if (state_ == State::storing) {
        finish_transaction(now);
        return answer;
    }
    // The message may have been aborted meanwhile.
    if (!incoming_ || incoming_->phase != Phase::announced) return {};
    incoming_->phase = Phase::settled;
    if (state_ != State::beginning) {
        const bool was_full = is_body_full();
        body().refuse(std::move(answer.reply));
        if (was_full) clock_.await_data(now);
        return {};
    }
    if (chunk_) {
        chunk_->refusal = std::move(answer.reply);
        return enter_chunk(now);
    }
    incoming_.reset();
    enter(State::command, now);
    answer.subject = "DATA";
    answer.refuses_data = true;
    return answer;
}

void TransactionDialogue::finish_transaction(Instant now) {
    incoming_.reset();
    clock_.end_silence(now);
    has_mail_ended_silence_ = false;
    enter(State::command, now);
}

// From here on the body only passes by.
void TransactionDialogue::abort_if_refused() {
    if (body().is_refused()) abort(body().refusal_cause());
}

void TransactionDialogue::abort(std::string_view reason) {
    if (!incoming_ || incoming_->phase != Phase::announced) return;
    incoming_->phase = Phase::settled;
    events_.emplace_back(MessageAborted{std::string(reason)});
    if (incoming_->body) [[maybe_unused]]
        const auto dropped = incoming_->body->take();
}

void TransactionDialogue::reset(std::string_view reason) {
    abort(reason);
    incoming_.reset();
}

}  // namespace mta::smtp
