#include "mta/smtp/server/server_session.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "mta/base/mail_address.h"
#include "mta/smtp/server/trace.h"

namespace mta::smtp {
namespace {

// Beyond it the driver should pause reading; while a message is stored, pipelined commands gather
// here, so that a stream need not be paused and resumed for each message.
constexpr std::size_t held_bytes_max = 64U << 10;
constexpr std::size_t logged_bytes_max = 200;

}  // namespace

ServerSession::ServerSession(const ServerOptions& options, ClientInfo client, RecipientCheck check,
                             MailCheck mail_check, OnEtrn on_etrn)
    : options_(options),
      client_(client),
      extensions_(options.extensions),
      check_(std::move(check)),
      mail_check_(std::move(mail_check)),
      on_etrn_(std::move(on_etrn)) {
    MTA_ASSERT(!options_.hostname.empty());
    MTA_ASSERT(check_ != nullptr);
    early_ = client_.is_own ? Early::allowed : Early::refused;
    extensions_.future_release = extensions_.future_release && client_.is_own;
    extensions_.deliver_by = extensions_.deliver_by && client_.is_own;
}

// ---- The driver's calls ----

void ServerSession::on_connected(Instant now) {
    MTA_ASSERT(state_ == State::idle);
    end_silence(now);
    enter_command(now);
    if (held_.empty() || early_ != Early::refused)
        say(220, {}, options_.hostname + " ESMTP Posthouse");
    process_held(now);
}

void ServerSession::on_bytes(Instant now, std::string_view bytes) {
    if (state_ == State::ended) return;
    if (state_ != State::resting) commands_of_turn_ = 0;
    if (!held_.empty()) {
        held_ += bytes;
        return process_held(now);
    }
    process(now, bytes);
    held_ += bytes;
}

void ServerSession::go_on(Instant now) {
    if (state_ != State::resting) return;
    commands_of_turn_ = 0;
    enter_command(now);
    process_held(now);
}

void ServerSession::on_input_end(Instant /*now*/) {
    has_input_ended_ = true;
    end_if_input_has();
}

void ServerSession::on_closed(Instant /*now*/, std::string_view reason) {
    if (state_ != State::ended) end(EndReason::lost, reason);
}

void ServerSession::shutdown(Instant /*now*/) {
    if (state_ == State::ended) return;
    if (state_ == State::awaiting_store) {
        is_shutting_down_ = true;
        return;
    }
    end_with({421, {4, 3, 2}, options_.hostname + " is shutting down, try again later"},
             EndReason::shut_down, {});
}

void ServerSession::begin(Instant now, std::string queue_id) {
    if (state_ == State::ended) return;
    MTA_ASSERT(state_ == State::awaiting_begin);
    auto& current = transaction();
    current.queue_id = std::move(queue_id);
    const auto trace = format_received({.helo_name = helo_name_,
                                        .remote = client_.remote.address,
                                        .hostname = options_.hostname,
                                        .is_extended = is_extended_,
                                        .is_smtputf8 = current.smtputf8,
                                        .is_tls = client_.is_tls,
                                        .is_authenticated = client_.is_authenticated,
                                        .queue_id = current.queue_id,
                                        .only_recipient = current.only_recipient,
                                        .priority = current.priority,
                                        .now = now});
    const auto expected_bytes =
        std::min<std::uint64_t>(current.declared_size.value_or(0), limits::body_inline_bytes_max);
    body_.clear();
    body_.reserve(trace.size() + expected_bytes);
    current.stream.emplace(DataLimits{options_.message_bytes_max, options_.received_hops_max},
                           trace, body_);
    if (chunk_) {
        enter_chunk(now);
    } else {
        say(354, {}, "end the message with a line that has only a dot");
        state_ = State::data;
        start_data_clock(now);
    }
    process_held(now);
}

void ServerSession::accepted(Instant now) {
    if (state_ == State::ended) return;
    MTA_ASSERT(state_ == State::awaiting_store);
    errors_ = 0;
    idle_commands_ = 0;
    deferrals_ = 0;
    const auto& current = transaction();
    if (current.is_priority_lowered) {
        say(250, {2, 3, 6},
            std::to_string(current.priority) + " is the new priority, queued as " +
                current.queue_id);
    } else {
        say(250, {2, 0, 0}, "queued as " + current.queue_id);
    }
    leave_store(now);
}

void ServerSession::refuse(Instant now, ServerReply reply) {
    // It has been aborted meanwhile.
    if (state_ == State::ended || !transaction_ || !transaction().has_begun) return;
    if (state_ == State::awaiting_store) {
        say_refused("message", reply);
        return leave_store(now);
    }
    if (!transaction().is_announced) return;
    transaction().is_announced = false;
    if (state_ == State::awaiting_begin) {
        if (chunk_) {
            chunk().refusal = std::move(reply);
            enter_chunk(now);
        } else {
            transaction_.reset();
            enter_command(now);
            say_refused("DATA", reply);
            expect_refused_text(reply);
        }
    } else {
        const bool was_full = is_body_full();
        transaction().refusal = std::move(reply);
        drop_body_if_refused();
        if (was_full) start_data_clock(now);
    }
    process_held(now);
}

std::string ServerSession::take_body(Instant now) {
    const bool was_full = is_body_full();
    auto body = std::exchange(body_, {});
    if (was_full) {
        start_data_clock(now);
        process_held(now);
    }
    return body;
}

std::optional<ServerSession::Event> ServerSession::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

std::string ServerSession::take_output() {
    // DATA's reply is still to come while begin() is awaited.
    if (state_ != State::idle && state_ != State::awaiting_begin) early_ = Early::no;
    return std::exchange(output_, {});
}

bool ServerSession::wants_input() const {
    return state_ != State::ended && state_ != State::resting && !has_input_ended_ &&
           held_.size() < held_bytes_max;
}

// ---- Input ----

void ServerSession::process(Instant now, std::string_view& input) {
    while (!input.empty() && step(now, input)) {
    }
    if (state_ == State::ended) input = {};
}

void ServerSession::process_held(Instant now) {
    if (!held_.empty()) {
        auto held = std::exchange(held_, {});
        std::string_view rest = held;
        process(now, rest);
        held.erase(0, held.size() - rest.size());
        held_ = std::move(held);
    }
    end_if_input_has();
}

// Held input waits for an answer, for take_body() or for go_on(). What is left without it can never
// become whole; the client may still read why nothing comes of it.
void ServerSession::end_if_input_has() {
    if (!has_input_ended_ || !held_.empty()) return;
    switch (state_) {
        case State::command: return end(EndReason::lost, {});
        case State::data:
        case State::chunk:
        case State::refused_text:
            return end_with(reply_to_unfinished(), EndReason::lost, "the message has no end");
        case State::idle:
        case State::resting:
        case State::awaiting_begin:
        case State::awaiting_store:
        case State::ended: return;
    }
}

ServerReply ServerSession::reply_to_unfinished() const {
    if (state_ == State::data) {
        if (const auto& problem = transaction_->stream->problem()) return reply_to(*problem);
    }
    return {421, {4, 4, 2}, options_.hostname + " closes the connection: the message has no end"};
}

bool ServerSession::step(Instant now, std::string_view& input) {
    if (early_ != Early::no && !take_early(now, input)) return false;
    switch (state_) {
        case State::command: return step_command(now, input);
        case State::data: return step_data(now, input);
        case State::chunk: return step_chunk(now, input);
        case State::refused_text: return step_refused_text(now, input);
        case State::idle:
        case State::resting:
        case State::awaiting_begin:
        case State::awaiting_store:
        case State::ended: return false;
    }
    std::unreachable();
}

bool ServerSession::step_data(Instant now, std::string_view& input) {
    if (is_body_full()) {
        deadline_.reset();
        return false;
    }
    auto piece = input.substr(0, limits::body_chunk_bytes_max - body_.size());
    const auto offered = piece.size();
    const bool has_ended = stream().feed_dotted(piece, body_);
    const auto taken = offered - piece.size();
    input.remove_prefix(taken);
    on_data_bytes(now, taken);
    drop_body_if_refused();
    if (has_ended) finish_message(now, "DATA");
    return true;
}

bool ServerSession::step_chunk(Instant now, std::string_view& input) {
    if (chunk().refusal) {
        const auto taken = std::min<std::uint64_t>(chunk().left, input.size());
        input.remove_prefix(taken);
        chunk().left -= taken;
        on_data_bytes(now, taken);
    } else {
        if (is_body_full()) {
            deadline_.reset();
            return false;
        }
        const auto room = limits::body_chunk_bytes_max - body_.size();
        const auto piece = input.substr(0, std::min<std::uint64_t>(chunk().left, room));
        stream().feed_chunk(piece, body_);
        input.remove_prefix(piece.size());
        chunk().left -= piece.size();
        on_data_bytes(now, piece.size());
        drop_body_if_refused();
    }
    if (chunk().left == 0) finish_chunk(now);
    return true;
}

// ---- A message ----

ServerSession::Transaction& ServerSession::transaction() {
    MTA_ASSERT(transaction_.has_value());
    return *transaction_;
}

DataStream& ServerSession::stream() {
    auto& stream = transaction().stream;
    MTA_ASSERT(stream.has_value());
    return *stream;
}

ServerSession::Chunk& ServerSession::chunk() {
    MTA_ASSERT(chunk_.has_value());
    return *chunk_;
}

void ServerSession::announce() {
    transaction().has_begun = true;
    transaction().is_announced = true;
    auto& recipients = transaction().envelope.recipients;
    recipients = transaction().recipients.take();
    // A domain is no reason for a header that needs SMTPUTF8 at every host from here on.
    if (recipients.size() == 1) {
        transaction().only_recipient = in_ascii_if_possible(recipients.front().address);
    }
    events_.emplace_back(
        MessageBegins{std::move(transaction().envelope), transaction().declared_size, helo_name_});
    transaction().envelope = {};
    deadline_.reset();
}

void ServerSession::enter_chunk(Instant now) {
    state_ = State::chunk;
    start_data_clock(now);
    if (chunk().left == 0) finish_chunk(now);
}

// All bytes of the chunk have come.
void ServerSession::finish_chunk(Instant now) {
    const Chunk done = std::move(chunk());
    chunk_.reset();
    if (done.bytes > 0 && transaction_) end_silence(now);
    enter_command(now);
    std::optional<ServerReply> refusal = done.refusal;
    if (!refusal) {
        if (done.is_last) stream().finish_chunks(body_);
        drop_body_if_refused();
        if (done.is_last) return finish_message(now, "BDAT");
        if (const auto problem = stream().problem()) refusal = reply_to(*problem);
        if (transaction().refusal) refusal = transaction().refusal;
    }
    if (!refusal) {
        const ServerReply reply{250, {2, 0, 0}, std::to_string(done.bytes) + " bytes received"};
        return done.bytes > 0 ? append_reply(output_, reply) : on_idle_command(reply);
    }
    if (transaction_) {
        transaction().chunk_failed = true;
        if (done.is_last) reset_transaction("refused");
    }
    refuse_command("BDAT", *refusal);
}

// The real end has come.
void ServerSession::finish_message(Instant now, std::string_view command) {
    end_silence(now);
    std::optional<ServerReply> refusal = transaction().refusal;
    const auto problem = stream().problem();
    if (!refusal && problem) refusal = reply_to(*problem);
    if (refusal) {
        transaction_.reset();
        enter_command(now);
        return refuse_command(command, *refusal);
    }
    transaction().is_announced = false;
    events_.emplace_back(MessageEnds{stream().facts(), stream().message_id()});
    state_ = State::awaiting_store;
    deadline_.reset();
}

// The message has its answer, in a turn of its own.
void ServerSession::leave_store(Instant now) {
    commands_of_turn_ = 0;
    transaction_.reset();
    end_silence(now);
    has_mail_ended_silence_ = false;
    enter_command(now);
    if (is_shutting_down_) return shutdown(now);
    process_held(now);
}

// From here on the body only passes by.
void ServerSession::drop_body_if_refused() {
    const auto& problem = stream().problem();
    if (!problem && !transaction().refusal) return;
    body_.clear();
    if (transaction().is_announced) abort_message(problem ? describe(*problem) : "refused");
}

void ServerSession::abort_message(std::string_view reason) {
    transaction().is_announced = false;
    events_.emplace_back(MessageAborted{std::string(reason)});
    body_ = {};
}

void ServerSession::reset_transaction(std::string_view reason) {
    if (transaction_ && transaction_->is_announced) abort_message(reason);
    transaction_.reset();
}

bool ServerSession::is_body_full() const {
    return (state_ == State::data || state_ == State::chunk) &&
           body_.size() >= limits::body_chunk_bytes_max;
}

// ---- Answers and ends ----

void ServerSession::say(std::uint16_t code, EnhancedStatus status, std::string_view text) {
    append_reply(output_, {code, status, std::string(text)});
}

void ServerSession::say_refused(std::string_view line, const ServerReply& reply,
                                bool is_repetition) {
    events_.emplace_back(
        Refused{std::string(line.substr(0, logged_bytes_max)), reply, is_repetition});
    append_reply(output_, reply);
}

// Counted: who only makes mistakes has to go.
void ServerSession::refuse_command(std::string_view line, const ServerReply& reply) {
    if (++errors_ < limits::session_errors_max) return say_refused(line, reply);
    events_.emplace_back(Refused{std::string(line.substr(0, logged_bytes_max)), reply});
    end_with({421, {4, 7, 0}, options_.hostname + " closes the connection: too many errors"},
             EndReason::too_many_errors, {});
}

void ServerSession::enter_command(Instant now) {
    state_ = State::command;
    deadline_ = std::min(now + command_timeout(), end_of_silence());
}

void ServerSession::end_for_input(std::string_view input, const ServerReply& reply,
                                  std::string_view why) {
    events_.emplace_back(Refused{std::string(input.substr(0, logged_bytes_max)), reply});
    end_with(reply, EndReason::violation, why);
}

void ServerSession::end_with(const ServerReply& reply, EndReason reason, std::string_view text) {
    append_reply(output_, reply);
    end(reason, text);
}

void ServerSession::end(EndReason reason, std::string_view text) {
    if (transaction_ && transaction_->is_announced) abort_message(text);
    state_ = State::ended;
    deadline_.reset();
    events_.emplace_back(SessionEnded{reason, std::string(text)});
}

}  // namespace mta::smtp
