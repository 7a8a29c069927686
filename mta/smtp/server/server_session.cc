#include "mta/smtp/server/server_session.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"

namespace mta::smtp {

using server_event::EndReason;

namespace {

// Beyond it the driver should pause reading. While a question is open, pipelined commands gather
// here, so that a stream need not be paused and resumed for each message.
constexpr std::size_t held_bytes_max = 64U << 10;
// Of the line that a question is about.
constexpr std::size_t asked_line_bytes_max = 200;

}  // namespace

ServerSession::ServerSession(const ServerOptions& options, ClientInfo client)
    : options_(options),
      client_{.info = client},
      extensions_(extensions_for(options, client.rights)),
      early_(client.rights.is_own),
      clock_(options),
      replies_(options, events_),
      transaction_(options, client_, clock_, events_) {
    MTA_ASSERT(!options_.hostname.empty());
}

// ---- The driver's calls ----

void ServerSession::on_connected(Instant now) {
    MTA_ASSERT(state_ == State::idle);
    clock_.end_silence(now);
    enter_command(now);
    if (held_.empty() || early_.verdict() != EarlyInput::Verdict::refused)
        replies_.add({220, {}, options_.hostname + " ESMTP Posthouse"});
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
        end_with(replies_.closing({4, 4, 2}, *what), EndReason::timed_out, *what);
}

void ServerSession::shutdown(Instant /*now*/) {
    if (state_ == State::ended) return;
    if (is_in(TransactionDialogue::State::storing)) {
        is_shutting_down_ = true;
        return;
    }
    end_with({421, {4, 3, 2}, options_.hostname + " is shutting down, try again later"},
             EndReason::shut_down, {});
}

std::optional<Instant> ServerSession::idle_since() const {
    if (state_ != State::command || transaction_.has_mail()) return std::nullopt;
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

void ServerSession::decide(Instant now, const ServerVerdict& verdict) {
    if (state_ == State::ended) return;
    MTA_ASSERT(is_deciding());
    if (verdict && *verdict != client_.info.rights) {
        client_.info.rights = *verdict;
        extensions_ = extensions_for(options_, client_.info.rights);
    }
    if (state_ == State::waking) {
        MTA_ASSERT(!verdict);
        const auto& reply = verdict.error();
        clock_.resume(now);
        enter_command(now);
        give(asked_line_, reply.code < 400 ? idle(reply) : mistake(reply));
    } else {
        give(asked_line_, transaction_.decide(now, verdict));
    }
    process_held(now);
}

void ServerSession::begin(Instant now, std::string queue_id) {
    if (state_ == State::ended) return;
    give({}, transaction_.begin(now, std::move(queue_id)));
    process_held(now);
}

void ServerSession::accepted(Instant now) {
    if (state_ == State::ended) return;
    replies_.forgive();
    give({}, transaction_.accept(now));
    leave_store(now);
}

void ServerSession::refuse(Instant now, ServerReply reply) {
    if (state_ == State::ended) return;
    const bool was_storing = is_in(TransactionDialogue::State::storing);
    give({}, transaction_.refuse(now, std::move(reply)));
    was_storing ? leave_store(now) : process_held(now);
}

// The next command belongs to a turn of its own.
void ServerSession::leave_store(Instant now) {
    commands_of_turn_ = 0;
    if (is_shutting_down_) return shutdown(now);
    process_held(now);
}

std::string ServerSession::take_body(Instant now) {
    const bool was_full = transaction_.is_body_full();
    auto bytes = transaction_.take_body(now);
    if (was_full) process_held(now);
    return bytes;
}

std::optional<ServerEvent> ServerSession::poll_event() {
    if (events_.empty()) return std::nullopt;
    std::optional<ServerEvent> event(std::move(events_.front()));
    events_.pop_front();
    return event;
}

std::string ServerSession::take_output() {
    // The reply to the command is still to come while a question about it is open.
    const bool has_replied =
        state_ != State::idle && !is_deciding() && !is_in(TransactionDialogue::State::beginning);
    if (has_replied) early_.end_reply();
    return replies_.take();
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
    if (state_ == State::command) return end(EndReason::lost, {});
    if (state_ != State::refused_text && !is_in(TransactionDialogue::State::data) &&
        !is_in(TransactionDialogue::State::chunk))
        return;
    const auto refusal = transaction_.known_refusal();
    end_with(refusal ? *refusal : replies_.closing({4, 4, 2}, "the message has no end"),
             EndReason::lost, "the message has no end");
}

bool ServerSession::step(Instant now, std::string_view& input) {
    // The reply to the command comes first, whatever follows it.
    if (is_deciding()) return false;
    if (early_.verdict() != EarlyInput::Verdict::in_time && !take_early(now, input)) return false;
    switch (state_) {
        case State::command: return step_command(now, input);
        case State::transaction: return step_transaction(now, input);
        case State::refused_text: return step_refused_text(now, input);
        case State::idle:
        case State::resting:
        case State::waking:
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
        ServerReply reply{
            500, {5, 5, 2}, "a line that ends with LF alone; lines must end with CR LF"};
        end_for_input(line->text, reply, "a line that ends with LF alone");
        return false;
    }
    on_line(now, line->text, line->is_too_long);
    return true;
}

bool ServerSession::step_transaction(Instant now, std::string_view& input) {
    const auto answer = transaction_.feed(now, input);
    if (!answer) return false;
    give({}, *answer);
    return true;
}

// Returns whether processing may go on.
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

// ---- Commands ----

void ServerSession::on_line(Instant now, std::string_view line, bool is_too_long) {
    ++commands_of_turn_;
    const Verb verb = verb_of(line);
    if (refused_text_ && is_of_refused_text(now, verb, line)) return;
    early_.begin_reply(verb, client_.info.rights.is_own, client_.is_extended,
                       !client_.helo_name.empty());
    auto command = is_too_long ? std::unexpected(ServerReply{500, {5, 5, 2}, "line too long"})
                               : parse_command(line, extensions_, transaction_.is_smtputf8());
    if (command) return on_command(now, *command, line);
    // How many bytes are to be skipped is unknown: nothing that follows can be understood.
    if (verb == Verb::bdat)
        return end_for_input(line, command.error(), "a BDAT that cannot be read");
    auto answer = mistake(std::move(command.error()));
    answer.refuses_data = verb == Verb::data;
    give(line, answer);
}

void ServerSession::on_command(Instant now, Command& command, std::string_view line) {
    enter_command(now);
    if (command.verb == Verb::quit) {
        const ServerReply reply{221, {2, 0, 0}, options_.hostname + " says goodbye"};
        return end_with(reply, EndReason::quit, "QUIT");
    }
    const auto answer = obey(now, command);
    if (answer.kind == Answer::Kind::none) asked_line_.assign(line.substr(0, asked_line_bytes_max));
    give(line, answer);
}

Answer ServerSession::obey(Instant now, Command& command) {
    auto& arguments = command.arguments;
    switch (command.verb) {
        case Verb::ehlo:
        case Verb::helo: return hello(now, command.verb, std::get<HelloArguments>(arguments));
        case Verb::mail:
            return transaction_.mail(now, std::move(std::get<MailArguments>(arguments)));
        case Verb::rcpt:
            return transaction_.rcpt(now, std::move(std::get<RcptArguments>(arguments)));
        case Verb::data: return transaction_.data(now);
        case Verb::bdat: return transaction_.bdat(now, std::get<BdatArguments>(arguments));
        case Verb::rset: transaction_.reset("RSET"); return idle({250, {2, 0, 0}, "forgotten"});
        case Verb::noop: return idle({250, {2, 0, 0}, "here"});
        case Verb::vrfy: return idle({252, {2, 0, 0}, "cannot verify, send to the address to see"});
        case Verb::help:
            return idle({214,
                         {2, 0, 0},
                         "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\n"
                         "this is Posthouse, a mail relay; its postmaster is " +
                             postmaster_of(options_).address});
        case Verb::etrn: return etrn(now, std::move(std::get<EtrnArguments>(arguments)));
        case Verb::quit:
        case Verb::expn:
        case Verb::starttls:
        case Verb::auth:
        case Verb::unknown: break;  // on_command() obeys QUIT, the parser has refused the others
    }
    std::unreachable();
}

// RFC 5321 section 4.1.4: a name that means nothing is no reason to refuse; EHLO in the middle is
// RSET.
Answer ServerSession::hello(Instant now, Verb verb, const HelloArguments& arguments) {
    transaction_.reset("EHLO");
    client_.helo_name = arguments.name;
    client_.is_extended = verb == Verb::ehlo;
    if (!client_.is_extended) return idle({250, {}, options_.hostname});
    return idle({250, {}, ehlo_text(options_, extensions_, client_.info.rights, now)});
}

// RFC 1985. A client that may not use it gets the reply of a server that does not know it.
Answer ServerSession::etrn(Instant now, EtrnArguments arguments) {
    if (!client_.info.rights.may_wake) return mistake(etrn_not_available());
    if (client_.helo_name.empty()) return mistake(out_of_order("send EHLO first"));
    if (transaction_.has_mail()) return mistake(out_of_order("not while a MAIL is under way"));
    events_.emplace_back(server_event::EtrnAsked{std::move(arguments)});
    state_ = State::waking;
    clock_.suspend(now);
    return {};
}

// ---- The text of a message that was refused at DATA ----

void ServerSession::expect_refused_text(const ServerReply& reply) {
    if (state_ == State::command && client_.info.rights.is_own)
        refused_text_.emplace(reply, data_limits(options_));
}

// Returns false if the line is a command to obey.
bool ServerSession::is_of_refused_text(Instant now, Verb verb, std::string_view line) {
    switch (RefusedText::kind_of(verb, line, early_.is_seen())) {
        case RefusedText::Line::command: refused_text_.reset(); return false;
        case RefusedText::Line::text:
            enter_refused_text(now);
            if (line == ".") finish_refused_text(now);
            return true;
        case RefusedText::Line::unclear:
            end_for_input(line,
                          replies_.closing({4, 7, 0}, "this may be the text behind a refused DATA"),
                          "perhaps the text behind a refused DATA");
            return true;
    }
    std::unreachable();
}

void ServerSession::enter_refused_text(Instant now) {
    transaction_.reset("refused");
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
            end_with(replies_.closing({4, 7, 0}, "too much text after a refused DATA"),
                     EndReason::too_many_errors, {});
            break;
    }
    return true;
}

void ServerSession::finish_refused_text(Instant now) {
    replies_.add(refused_text_->reply());
    refused_text_.reset();
    enter_command(now);
}

// ---- Answers and ends ----

void ServerSession::give(std::string_view line, const Answer& answer) {
    follow_transaction();
    if (const auto ended = replies_.give(line, answer)) return end(ended->reason, ended->text);
    if (answer.refuses_data) expect_refused_text(answer.reply);
}

void ServerSession::follow_transaction() {
    if (transaction_.state() != TransactionDialogue::State::command) {
        state_ = State::transaction;
    } else if (state_ == State::transaction) {
        state_ = State::command;
    }
}

bool ServerSession::is_in(TransactionDialogue::State state) const {
    return state_ == State::transaction && transaction_.state() == state;
}

bool ServerSession::is_deciding() const {
    return state_ == State::waking || is_in(TransactionDialogue::State::deciding);
}

void ServerSession::enter_command(Instant now) {
    state_ = State::command;
    clock_.await_command(now);
}

void ServerSession::end_for_input(std::string_view input, const ServerReply& reply,
                                  std::string_view why) {
    replies_.log_refused(input, reply);
    end_with(reply, EndReason::violation, why);
}

void ServerSession::end_with(const ServerReply& reply, EndReason reason, std::string_view text) {
    replies_.add(reply);
    end(reason, text);
}

void ServerSession::end(EndReason reason, std::string_view text) {
    transaction_.abort(text);
    state_ = State::ended;
    clock_.stop();
    events_.emplace_back(server_event::SessionEnded{reason, std::string(text)});
}

}  // namespace mta::smtp
