#include "mta/smtp/server/server_session.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "mta/base/mail_address.h"
#include "mta/smtp/server/trace.h"

namespace mta::smtp {
namespace {

// Beyond it the driver should pause reading. While a question is open, pipelined commands gather
// here, so that a stream need not be paused and resumed for each message.
constexpr std::size_t held_bytes_max = 64U << 10;

}  // namespace

ServerSession::ServerSession(const ServerOptions& options, ClientInfo client)
    : options_(options),
      client_(client),
      extensions_(extensions_for(options, client.rights)),
      early_(client.rights.is_own),
      clock_(options) {
    MTA_ASSERT(!options_.hostname.empty());
}

// ---- The driver's calls ----

void ServerSession::on_connected(Instant now) {
    MTA_ASSERT(state_ == State::idle);
    clock_.end_silence(now);
    enter_command(now);
    if (held_.empty() || early_.verdict() != EarlyInput::Verdict::refused)
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

void ServerSession::on_deadline(Instant now) {
    if (const auto what = clock_.expire(now))
        end_with(closing({4, 4, 2}, *what), EndReason::timed_out, *what);
}

void ServerSession::shutdown(Instant /*now*/) {
    if (state_ == State::ended) return;
    if (state_ == State::storing) {
        is_shutting_down_ = true;
        return;
    }
    end_with({421, {4, 3, 2}, options_.hostname + " is shutting down, try again later"},
             EndReason::shut_down, {});
}

std::optional<Instant> ServerSession::idle_since() const {
    if (state_ != State::command || incoming_ || chunk_) return std::nullopt;
    return clock_.silent_since();
}

void ServerSession::make_room(Instant /*now*/) {
    MTA_ASSERT(idle_since());
    end_with({421,
              {4, 3, 2},
              options_.hostname + " needs this idle connection for another client, please connect "
                                  "again when there is mail"},
             EndReason::made_room, {});
}

void ServerSession::decide(Instant now, const Verdict& verdict) {
    if (state_ == State::ended) return;
    MTA_ASSERT(state_ == State::deciding);
    clock_.resume(now);
    enter_command(now);
    if (verdict && *verdict != client_.rights) {
        client_.rights = *verdict;
        extensions_ = extensions_for(options_, client_.rights);
    }
    auto question = std::exchange(question_, {});
    std::visit([&](auto& asked) { conclude(now, std::move(asked), verdict); }, question);
    process_held(now);
}

void ServerSession::begin(Instant now, std::string queue_id) {
    if (state_ == State::ended) return;
    MTA_ASSERT(state_ == State::beginning);
    auto& current = incoming();
    current.queue_id = std::move(queue_id);
    const auto trace = format_received({.helo_name = helo_name_,
                                        .remote = client_.remote.address,
                                        .hostname = options_.hostname,
                                        .is_extended = is_extended_,
                                        .is_smtputf8 = current.envelope.is_smtputf8(),
                                        .is_tls = client_.is_tls,
                                        .is_authenticated = client_.is_authenticated,
                                        .queue_id = current.queue_id,
                                        .only_recipient = current.envelope.only_recipient(),
                                        .priority = current.envelope.priority(),
                                        .now = now});
    current.body.emplace(data_limits(options_), trace,
                         current.envelope.declared_size().value_or(0));
    if (chunk_) {
        enter_chunk(now);
    } else {
        say(354, {}, "end the message with a line that has only a dot");
        state_ = State::data;
        clock_.await_data(now);
    }
    process_held(now);
}

void ServerSession::accepted(Instant now) {
    if (state_ == State::ended) return;
    MTA_ASSERT(state_ == State::storing);
    errors_ = 0;
    idle_commands_ = 0;
    deferrals_ = 0;
    const auto& current = incoming();
    if (current.envelope.is_priority_lowered()) {
        say(250, {2, 3, 6},
            std::to_string(current.envelope.priority()) + " is the new priority, queued as " +
                current.queue_id);
    } else {
        say(250, {2, 0, 0}, "queued as " + current.queue_id);
    }
    leave_store(now);
}

void ServerSession::refuse(Instant now, ServerReply reply) {
    // The message may have been aborted meanwhile.
    if (state_ == State::ended || !incoming_ || incoming_->phase == Phase::envelope) return;
    if (state_ == State::storing) {
        say_refused("message", reply);
        return leave_store(now);
    }
    if (incoming_->phase != Phase::announced) return;
    incoming_->phase = Phase::settled;
    if (state_ == State::beginning) {
        if (chunk_) {
            chunk_->refusal = std::move(reply);
            enter_chunk(now);
        } else {
            incoming_.reset();
            enter_command(now);
            say_refused("DATA", reply);
            expect_refused_text(reply);
        }
    } else {
        const bool was_full = is_body_full();
        body().refuse(std::move(reply));
        if (was_full) clock_.await_data(now);
    }
    process_held(now);
}

std::size_t ServerSession::body_bytes() const {
    return incoming_ && incoming_->body ? incoming_->body->bytes() : 0;
}

std::string ServerSession::take_body(Instant now) {
    if (!incoming_ || !incoming_->body) return {};
    const bool was_full = is_body_full();
    auto bytes = body().take();
    if (was_full) {
        clock_.await_data(now);
        process_held(now);
    }
    return bytes;
}

std::optional<ServerSession::Event> ServerSession::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

std::string ServerSession::take_output() {
    // The reply to the command is still to come while a question about it is open.
    const bool has_replied =
        state_ != State::idle && state_ != State::deciding && state_ != State::beginning;
    if (has_replied) early_.end_reply();
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
        case State::deciding:
        case State::beginning:
        case State::storing:
        case State::ended: return;
    }
}

ServerReply ServerSession::reply_to_unfinished() const {
    if (state_ == State::data) {
        if (const auto& problem = incoming_->body->problem()) return reply_to(*problem);
    }
    return closing({4, 4, 2}, "the message has no end");
}

bool ServerSession::step(Instant now, std::string_view& input) {
    // The reply to the command comes first, whatever follows it.
    if (state_ == State::deciding) return false;
    if (early_.verdict() != EarlyInput::Verdict::in_time && !take_early(now, input)) return false;
    switch (state_) {
        case State::command: return step_command(now, input);
        case State::data: return step_data(now, input);
        case State::chunk: return step_chunk(now, input);
        case State::refused_text: return step_refused_text(now, input);
        case State::idle:
        case State::resting:
        case State::deciding:
        case State::beginning:
        case State::storing:
        case State::ended: return false;
    }
    std::unreachable();
}

bool ServerSession::step_command(Instant now, std::string_view& input) {
    if (commands_of_turn_ == limits::session_commands_of_turn_max) {
        state_ = State::resting;
        clock_.stop();
        return false;
    }
    const auto line = lines_.take(input);
    if (!line) return false;
    if (line->end == LineGatherer::End::bare_lf) {
        say_refused(line->text,
                    {500, {5, 5, 2}, "a line that ends with LF alone; lines must end with CR LF"});
        end(EndReason::violation, "a line that ends with LF alone");
        return false;
    }
    on_line(now, line->text, line->is_too_long);
    return true;
}

bool ServerSession::step_data(Instant now, std::string_view& input) {
    if (is_body_full()) {
        clock_.stop();
        return false;
    }
    const auto offered = input.size();
    const bool has_ended = body().feed_dotted(input);
    clock_.count_data(now, offered - input.size());
    abort_if_refused();
    if (has_ended) finish_message(now, "DATA");
    return true;
}

bool ServerSession::step_chunk(Instant now, std::string_view& input) {
    std::size_t taken = 0;
    if (chunk().refusal) {
        taken = static_cast<std::size_t>(std::min<std::uint64_t>(chunk().left, input.size()));
        input.remove_prefix(taken);
    } else if (is_body_full()) {
        clock_.stop();
        return false;
    } else {
        taken = body().feed_chunk(input, chunk().left);
        abort_if_refused();
    }
    chunk().left -= taken;
    clock_.count_data(now, taken);
    if (chunk().left == 0) finish_chunk(now);
    return true;
}

// False: no more can be processed.
bool ServerSession::take_early(Instant now, std::string_view input) {
    if (state_ == State::idle || state_ == State::resting || state_ == State::ended) return false;
    if (early_.verdict() == EarlyInput::Verdict::refused) {
        end_for_input(input, {554, {5, 5, 0}, "protocol error: input before our reply"},
                      "input before our reply");
        return false;
    }
    early_.set_seen();
    if (refused_text_ && state_ == State::command) enter_refused_text(now);
    return true;
}

// ---- The text of a message that was refused at DATA ----

void ServerSession::refuse_data(std::string_view line, const ServerReply& reply) {
    refuse_command(line, reply);
    expect_refused_text(reply);
}

void ServerSession::expect_refused_text(const ServerReply& reply) {
    if (state_ == State::command && client_.rights.is_own)
        refused_text_.emplace(reply, data_limits(options_));
}

// False: the line is a command to obey.
bool ServerSession::is_of_refused_text(Instant now, Verb verb, std::string_view line) {
    switch (RefusedText::kind_of(verb, line, early_.is_seen())) {
        case RefusedText::Line::command: refused_text_.reset(); return false;
        case RefusedText::Line::text:
            enter_refused_text(now);
            if (line == ".") finish_refused_text(now);
            return true;
        case RefusedText::Line::unclear:
            end_for_input(line, closing({4, 7, 0}, "this may be the text behind a refused DATA"),
                          "perhaps the text behind a refused DATA");
            return true;
    }
    std::unreachable();
}

void ServerSession::enter_refused_text(Instant now) {
    reset_transaction("refused");
    state_ = State::refused_text;
    refused_text_->begin();
    clock_.await_data(now);
}

bool ServerSession::step_refused_text(Instant now, std::string_view& input) {
    const auto offered = input.size();
    const auto skipped = refused_text_->skip(input);
    clock_.count_data(now, offered - input.size());
    switch (skipped) {
        case RefusedText::Skipped::some: break;
        case RefusedText::Skipped::all: finish_refused_text(now); break;
        case RefusedText::Skipped::too_much:
            end_with(closing({4, 7, 0}, "too much text after a refused DATA"),
                     EndReason::too_many_errors, {});
            break;
    }
    return true;
}

void ServerSession::finish_refused_text(Instant now) {
    append_reply(output_, refused_text_->reply());
    refused_text_.reset();
    enter_command(now);
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

// The client's mistake: too many of them end the session.
void ServerSession::refuse_command(std::string_view line, const ServerReply& reply) {
    if (++errors_ < limits::session_errors_max) return say_refused(line, reply);
    events_.emplace_back(Refused{std::string(line.substr(0, logged_bytes_max)), reply});
    end_with(closing({4, 7, 0}, "too many errors"), EndReason::too_many_errors, {});
}

void ServerSession::enter_command(Instant now) {
    state_ = State::command;
    clock_.await_command(now);
}

ServerReply ServerSession::closing(EnhancedStatus status, std::string_view why) const {
    return {421, status, options_.hostname + " closes the connection: " + std::string(why)};
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
    if (incoming_ && incoming_->phase == Phase::announced) abort_message(text);
    state_ = State::ended;
    clock_.stop();
    events_.emplace_back(SessionEnded{reason, std::string(text)});
}

}  // namespace mta::smtp
