// Command lines: which clients may pipeline them, and message text that arrives in their place.
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "mta/smtp/server_session.h"

namespace mta::smtp {
namespace {

// "Subject: x". No command, not even a misspelt one, has a colon in its first word.
bool looks_like_field(std::string_view line) { return line.find(':') < line.find(' '); }

}  // namespace

// A line ends with CRLF and nothing else. A bare CR is part of it, and makes it a bad command; at a
// bare LF the session ends: the client may be waiting for a reply, and what follows may be part of
// the line.
bool ServerSession::step_command(Instant now, std::string_view& input) {
    if (refused_text_ && !refused_text_->has_reply_left) {
        enter_refused_text(now);
        return true;
    }
    if (line_.empty() && !is_line_too_long_) {
        const auto newline = input.find('\n');
        if (newline != input.npos && newline > 0 && input[newline - 1] == '\r' &&
            newline < limits::command_line_bytes_max) {
            const auto line = input.substr(0, newline - 1);
            input.remove_prefix(newline + 1);
            on_line(now, line);
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
    if (is_too_long) {
        must_wait_ = must_wait_after(Verb::unknown);
        refuse_command(line, {500, {5, 5, 2}, "line too long"});
    } else {
        on_line(now, std::string_view(line).substr(0, line.size() - 2));
    }
    return true;
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

void ServerSession::on_line(Instant now, std::string_view line) {
    const Verb verb = verb_of(line);
    if (refused_text_) {
        if (verb == Verb::unknown && looks_like_field(line)) return enter_refused_text(now);
        if (verb != Verb::unknown) refused_text_.reset();
    }
    must_wait_ = must_wait_after(verb);
    const bool is_utf8 = transaction_ && transaction_->smtputf8;
    const auto command = parse_command(line, extensions_, is_utf8);
    if (command) return on_command(now, *command, line);
    if (verb != Verb::bdat) return refuse_command(line, command.error());
    // How many bytes are to be skipped is unknown: nothing that follows can be understood.
    say_refused(line, command.error());
    end(EndReason::violation, "a BDAT that cannot be read");
}

// True: input that arrives before the reply to this command ends the session. Our own clients need
// not wait, since their scripts often cannot. Two cases are refused from them, too: a first line
// that is no command may belong to another protocol, into which somebody else has put commands; and
// STARTTLS and AUTH change the rules. The bytes of BDAT follow at once from every client.
bool ServerSession::must_wait_after(Verb verb) const {
    if (verb == Verb::bdat) return false;
    if (!client_.is_own) return ends_group(verb) || !is_extended_;
    return verb == Verb::starttls || verb == Verb::auth ||
           (verb == Verb::unknown && helo_name_.empty());
}

// ---- The text of a message that was refused at DATA ----

// A client that does not wait sends it all the same. It must not be obeyed: in a text there may be
// commands of somebody else's.
void ServerSession::expect_refused_text(const ServerReply& reply) {
    if (state_ == State::command && client_.is_own)
        refused_text_ = RefusedText{.reply = reply, .stream = {}};
}

void ServerSession::enter_refused_text(Instant now) {
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
        append_reply(output_, refused_text_->reply);
        refused_text_.reset();
        reset_transaction("refused");
        enter_command(now);
    } else if (stream->facts().size > options_.message_bytes_max) {
        end_with({421,
                  {4, 7, 0},
                  options_.hostname + " closes the connection: too much text after a refused DATA"},
                 EndReason::too_many_errors, {});
    }
    return true;
}

}  // namespace mta::smtp
