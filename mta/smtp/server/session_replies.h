#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "mta/smtp/server/server_event.h"
#include "mta/smtp/server/server_options.h"
#include "mta/smtp/server/server_reply.h"

namespace mta::smtp {

// What the client gets for a command or a message, and how that counts.
struct Answer {
    enum class Kind : std::uint8_t {
        none,  // no reply yet: a question is open, or bytes of a message are to come
        ok,
        idle,        // harmless, but limits::session_idle_commands_max of them end the session
        mistake,     // refused; limits::session_errors_max of them end the session
        deferral,    // refused while no mail is taken; likewise limits::session_deferrals_max
        refusal,     // refused, and not counted
        repetition,  // likewise, and counted in the figures in place of the log
    };

    Kind kind = Kind::none;
    ServerReply reply = {};
    // What was refused, for the log, if that is not the command's line: "DATA", "message".
    std::string_view subject = {};
    // DATA was refused: the client may send the text all the same (RefusedText).
    bool refuses_data = false;
    // Not empty: the session ends with 421 after this answer, and this is why.
    std::string_view end_cause = {};
};

[[nodiscard]] Answer ok(ServerReply reply);
[[nodiscard]] Answer idle(ServerReply reply);
[[nodiscard]] Answer mistake(ServerReply reply, std::string_view subject = {});

// The replies of a session until they are written. Counts those that may not go on for ever.
class SessionReplies {
public:
    // Both must outlive this. Refused goes to `events`.
    SessionReplies(const ServerOptions& options, std::deque<ServerEvent>& events)
        : options_(options), events_(events) {}

    // `line` is what the client sent. Returns how the session ends if it has to: its 421 is among
    // the replies then.
    [[nodiscard]] std::optional<server_event::SessionEnded> give(std::string_view line,
                                                                 const Answer& answer);
    void add(const ServerReply& reply) { append_reply(output_, reply); }
    // For the log, without a reply.
    void log_refused(std::string_view line, const ServerReply& reply, bool is_repetition = false);
    // A message was accepted: what counts begins anew.
    void forgive();
    // 421.
    [[nodiscard]] ServerReply closing(EnhancedStatus status, std::string_view why) const;

    [[nodiscard]] std::string take();

private:
    [[nodiscard]] server_event::SessionEnded end(EnhancedStatus status, std::string_view why);

    const ServerOptions& options_;
    std::deque<ServerEvent>& events_;
    std::string output_;
    std::uint32_t mistakes_ = 0;
    std::uint32_t idle_commands_ = 0;
    std::uint32_t deferrals_ = 0;
};

}  // namespace mta::smtp
