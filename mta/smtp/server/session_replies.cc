#include "mta/smtp/server/session_replies.h"

#include <utility>

#include "mta/base/limits.h"

namespace mta::smtp {

namespace {
constexpr std::size_t logged_bytes_max = 200;  // of a line
}  // namespace

Answer ok(ServerReply reply) { return {.kind = Answer::Kind::ok, .reply = std::move(reply)}; }

Answer idle(ServerReply reply) { return {.kind = Answer::Kind::idle, .reply = std::move(reply)}; }

Answer mistake(ServerReply reply, std::string_view subject) {
    return {.kind = Answer::Kind::mistake, .reply = std::move(reply), .subject = subject};
}

std::optional<server_event::SessionEnded> SessionReplies::give(std::string_view line,
                                                               const Answer& answer) {
    using Kind = Answer::Kind;
    const auto& reply = answer.reply;
    const auto kind = answer.kind;
    if (kind == Kind::idle && ++idle_commands_ > limits::session_idle_commands_max)
        return end({4, 7, 0}, "no mail for too long");
    const bool is_refusal = kind != Kind::none && kind != Kind::ok && kind != Kind::idle;
    if (is_refusal) {
        log_refused(answer.subject.empty() ? line : answer.subject, reply,
                    kind == Kind::repetition);
    }
    if (kind == Kind::mistake && ++mistakes_ >= limits::session_errors_max)
        return end({4, 7, 0}, "too many errors");
    if (kind != Kind::none) add(reply);
    if (kind == Kind::deferral && ++deferrals_ >= limits::session_deferrals_max) {
        auto ended = end({4, 3, 2}, "try again later");
        ended.text = "it asked again and again while no mail was taken";
        return ended;
    }
    if (!answer.end_cause.empty()) return end({4, 7, 0}, answer.end_cause);
    return std::nullopt;
}

void SessionReplies::log_refused(std::string_view line, const ServerReply& reply,
                                 bool is_repetition) {
    events_.emplace_back(
        server_event::Refused{std::string(line.substr(0, logged_bytes_max)), reply, is_repetition});
}

void SessionReplies::forgive() {
    mistakes_ = 0;
    idle_commands_ = 0;
    deferrals_ = 0;
}

ServerReply SessionReplies::closing(EnhancedStatus status, std::string_view why) const {
    return {421, status, options_.hostname + " closes the connection: " + std::string(why)};
}

std::string SessionReplies::take() { return std::exchange(output_, {}); }

server_event::SessionEnded SessionReplies::end(EnhancedStatus status, std::string_view why) {
    add(closing(status, why));
    return {.reason = server_event::EndReason::too_many_errors, .text = {}};
}

}  // namespace mta::smtp
