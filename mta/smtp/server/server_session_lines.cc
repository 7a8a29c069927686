// Command lines, early ones (the manual in server_session.h has the rules), and message text that
// arrives in their place.
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "mta/smtp/server/server_session.h"

namespace mta::smtp {
namespace {

// "Subject: x". No command, not even a misspelt one, has a colon in its first word.
bool looks_like_field(std::string_view line) { return line.find(':') < line.find(' '); }

// Lines of text may begin with a verb, too: "Help wanted", "Mail from the web form".
bool looks_like_command(Verb verb, std::string_view line) {
    switch (verb) {
        case Verb::unknown: return false;
        case Verb::mail:
        case Verb::rcpt: return line.contains('<');
        case Verb::data:
        case Verb::help:
        case Verb::noop:
        case Verb::quit:
        case Verb::rset: return line.find_last_not_of(' ') < to_string(verb).size();
        case Verb::ehlo:
        case Verb::helo:
        case Verb::bdat:
        case Verb::vrfy:
        case Verb::expn:
        case Verb::etrn:
        case Verb::starttls:
        case Verb::auth: return true;
    }
    std::unreachable();
}

}  // namespace

// A line ends with CRLF and nothing else. A bare CR is part of it, and makes it a bad command; at a
// bare LF the session ends: the client may be waiting for a reply, and what follows may be part of
// the line.
bool ServerSession::step_command(Instant now, std::string_view& input) {
    if (commands_of_turn_ == limits::session_commands_of_turn_max) {
        rest();
        return false;
    }
    if (line_.empty() && !is_line_too_long_) {
        const auto newline = input.find('\n');
        if (newline != input.npos && newline > 0 && input[newline - 1] == '\r' &&
            newline < limits::command_line_bytes_max) {
            const auto line = input.substr(0, newline - 1);
            input.remove_prefix(newline + 1);
            on_line(now, line, false);
            return true;
        }
    }
    const auto line_end = gather_line(input);
    if (line_end == LineEnd::none) return false;
    const auto line = std::exchange(line_, {});
    const bool is_too_long = std::exchange(is_line_too_long_, false);
    if (line_end == LineEnd::bare_lf) {
        say_refused(line,
                    {500, {5, 5, 2}, "a line that ends with LF alone; lines must end with CR LF"});
        end(EndReason::violation, "a line that ends with LF alone");
        return false;
    }
    const auto end = is_too_long ? line.size() : line.size() - 2;
    on_line(now, std::string_view(line).substr(0, end), is_too_long);
    return true;
}

void ServerSession::rest() {
    state_ = State::resting;
    deadline_.reset();
}

// With an end, `line_` holds the whole line with it, or the first bytes of one that is too long.
ServerSession::LineEnd ServerSession::gather_line(std::string_view& input) {
    const auto newline = input.find('\n');
    const auto piece = input.substr(0, newline == input.npos ? newline : newline + 1);
    const bool has_cr = piece.size() > 1 ? piece[piece.size() - 2] == '\r' : line_ends_with_cr_;
    line_ends_with_cr_ = piece.back() == '\r';
    line_ += piece.substr(0, limits::command_line_bytes_max + 1 - line_.size());
    input.remove_prefix(piece.size());
    if (line_.size() > limits::command_line_bytes_max) is_line_too_long_ = true;
    if (newline == input.npos) return LineEnd::none;
    return has_cr ? LineEnd::crlf : LineEnd::bare_lf;
}

void ServerSession::on_line(Instant now, std::string_view line, bool is_too_long) {
    ++commands_of_turn_;
    const Verb verb = verb_of(line);
    if (refused_text_ && is_of_refused_text(now, verb, line)) return;
    early_ = early_after(verb);
    const bool is_utf8 = transaction_ && transaction_->smtputf8;
    const auto command = is_too_long ? std::unexpected(ServerReply{500, {5, 5, 2}, "line too long"})
                                     : parse_command(line, extensions_, is_utf8);
    if (command) return on_command(now, *command, line);
    if (verb == Verb::data) return refuse_data(line, command.error());
    if (verb != Verb::bdat) return refuse_command(line, command.error());
    // How many bytes are to be skipped is unknown: nothing that follows can be understood.
    say_refused(line, command.error());
    end(EndReason::violation, "a BDAT that cannot be read");
}

// The bytes of BDAT follow at once from every client.
ServerSession::Early ServerSession::early_after(Verb verb) const {
    if (verb == Verb::bdat) return Early::no;
    if (client_.is_own && (verb == Verb::starttls || verb == Verb::auth ||
                           (verb == Verb::unknown && helo_name_.empty())))
        return Early::refused;
    if (!ends_group(verb) && is_extended_) return Early::no;
    return client_.is_own ? Early::allowed : Early::refused;
}

// False: it goes no further.
bool ServerSession::take_early(Instant now, std::string_view input) {
    if (state_ == State::idle || state_ == State::resting || state_ == State::ended) return false;
    if (early_ == Early::refused) {
        end_for_input(input, {554, {5, 5, 0}, "protocol error: input before our reply"},
                      "input before our reply");
        return false;
    }
    has_sent_early_ = true;
    if (refused_text_ && state_ == State::command) enter_refused_text(now);
    return true;
}

// ---- The text of a message that was refused at DATA ----

void ServerSession::refuse_data(std::string_view line, const ServerReply& reply) {
    refuse_command(line, reply);
    expect_refused_text(reply);
}

void ServerSession::expect_refused_text(const ServerReply& reply) {
    if (state_ == State::command && client_.is_own)
        refused_text_ = RefusedText{.reply = reply, .stream = {}};
}

// The first line after the reply to DATA has left. False: it is a command to obey.
bool ServerSession::is_of_refused_text(Instant now, Verb verb, std::string_view line) {
    const bool is_command = looks_like_command(verb, line);
    if (is_command && !has_sent_early_) {
        refused_text_.reset();
        return false;
    }
    const bool is_text = line == "." || (has_sent_early_ ? !is_command : looks_like_field(line));
    if (!is_text) {
        end_for_input(
            line,
            {421,
             {4, 7, 0},
             options_.hostname + " closes the connection: this may be the text behind a refused "
                                 "DATA"},
            "perhaps the text behind a refused DATA");
        return true;
    }
    enter_refused_text(now);
    if (line == ".") finish_refused_text(now);
    return true;
}

void ServerSession::enter_refused_text(Instant now) {
    reset_transaction("refused");
    state_ = State::refused_text;
    refused_text_->stream.emplace(
        DataLimits{options_.message_bytes_max, options_.received_hops_max}, std::string_view{},
        body_);
    start_data_clock(now);
}

bool ServerSession::step_refused_text(Instant now, std::string_view& input) {
    auto& stream = refused_text_->stream;
    const auto offered = input.size();
    const bool has_ended = stream->feed_dotted(input, body_);
    body_.clear();
    on_data_bytes(now, offered - input.size());
    if (has_ended) {
        finish_refused_text(now);
    } else if (stream->facts().size > options_.message_bytes_max) {
        end_with({421,
                  {4, 7, 0},
                  options_.hostname + " closes the connection: too much text after a refused DATA"},
                 EndReason::too_many_errors, {});
    }
    return true;
}

void ServerSession::finish_refused_text(Instant now) {
    append_reply(output_, refused_text_->reply);
    refused_text_.reset();
    enter_command(now);
}

}  // namespace mta::smtp
