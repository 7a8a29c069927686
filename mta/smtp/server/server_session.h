#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/time.h"
#include "mta/smtp/server/command_parser.h"
#include "mta/smtp/server/early_input.h"
#include "mta/smtp/server/line_gatherer.h"
#include "mta/smtp/server/refused_text.h"
#include "mta/smtp/server/server_event.h"
#include "mta/smtp/server/server_options.h"
#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/server/session_clock.h"
#include "mta/smtp/server/session_replies.h"
#include "mta/smtp/server/transaction_dialogue.h"
#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// The server side of one SMTP connection, without the connection (RFC 5321 and the extensions in
// command_parser.h). The session decides everything about the dialogue; mta/inbound moves bytes,
// time and messages, and answers what the session asks. MAIL, RCPT, DATA, BDAT and the bytes of
// messages are the business of its TransactionDialogue, which has states of its own.
//
//   state         event                                                      next state
//   idle          on_connected()                                             command
//   command       ETRN                                                       waking
//   waking        decide()                                                   command
//   command       MAIL, RCPT, DATA, BDAT that are not refused                transaction
//   transaction   the TransactionDialogue waits for a command again          command
//   command       the text of a message whose DATA was refused               refused_text
//   refused_text  CRLF.CRLF                                                  command
//   command       limits::session_commands_of_turn_max, and more is held     resting
//   resting       go_on()                                                    command
//   any           QUIT, 421, a violation, on_closed()                        ended
//
// A session serves to send mail. Without a message in six times the command_timeout it ends with
// 421, whatever else the client sends: NOOP, RSET, VRFY and a MAIL without a message do not keep
// the connection.
//
// The driver calls, in this order, after each on_*(), decide(), begin(), accepted(), refuse(),
// take_body(), go_on() and shutdown(): poll_event() until it is empty, take_output() (write it),
// deadline() (set the timer), is_resting() (call go_on() in the next turn of the event loop, so
// that other sessions have their turn), wants_input() (pause or resume reading). After SessionEnded
// and the last output: finish the stream.
//
// Questions. MailAsked, RecipientAsked, EtrnAsked, MessageBegins and MessageEnds ask for an answer,
// which may be given at once or at any later time; one is open at a time. While a question is open,
// while take_body() is due, and while the session rests, input is held, so replies keep the order
// of the commands. The client has done its part then: there is no deadline, and the time of a
// decision does not count as the client's silence. A client that goes away, and shutdown(), end the
// session with the question open (but a message past its final dot gets its reply before a
// shutdown); answers that come afterwards are ignored.
//
// After on_input_end() held input is still processed and answered, including a message past its
// final dot; then the session ends. An incomplete line or message is dropped; for a message the
// client gets a reply that says so.
//
// A command line ends with CRLF. One that ends with LF alone is answered with 500 5.5.2 and ends
// the session. Early input (EarlyInput) from a stranger ends the session with 554 5.5.0. The text
// of a message whose DATA was refused is skipped (RefusedText).
//
// A message, as the driver sees it:
//   MessageBegins -> begin() or refuse()
//   body_bytes() grows; take_body() whenever it pays (more than limits::body_inline_bytes_max); at
//     limits::body_chunk_bytes_max the session waits for it
//   MessageEnds   -> take_body() (the rest), store it, then accepted() or refuse()
//   MessageAborted at any time in between: drop the message, no 250 was sent; no answer
// refuse() may also come while the body is under way (no space): the rest is swallowed, and the
// reply follows its end. If the connection is lost after MessageEnds, SessionEnded comes without
// MessageAborted: the message is complete, and the driver may keep it (RFC 1047 says why it
// should).
class ServerSession {
public:
    // `options` must outlive the session.
    ServerSession(const ServerOptions& options, ClientInfo client);
    ServerSession(const ServerSession&) = delete;
    ServerSession& operator=(const ServerSession&) = delete;
    ~ServerSession() = default;

    // To be called first; the session greets.
    void on_connected(Instant now);

    void on_bytes(Instant now, std::string_view bytes);
    void on_deadline(Instant now);  // has no effect if it comes early
    // The client sends no more, but may still read.
    void on_input_end(Instant now);
    void on_closed(Instant now, std::string_view reason);
    // 421 4.3.2 at once, or, if a message is past its final dot, after its reply.
    void shutdown(Instant now);
    void set_stressed(Instant now, bool is_stressed) { clock_.set_stressed(now, is_stressed); }
    // Since when there has been no mail, if there is no transaction.
    [[nodiscard]] std::optional<Instant> idle_since() const;
    // Ends an idle session for the sake of another client: 421 4.3.2.
    void make_room(Instant now);

    // Answer to MailAsked, RecipientAsked and EtrnAsked.
    void decide(Instant now, const ServerVerdict& verdict);
    // Answer to MessageBegins; `queue_id` as in "250 2.0.0 queued as <queue_id>".
    void begin(Instant now, std::string queue_id);
    // Answer to MessageEnds: the message is safe now.
    void accepted(Instant now);
    // From MessageBegins to the answer to MessageEnds: 4xx or 5xx.
    void refuse(Instant now, ServerReply reply);

    [[nodiscard]] std::size_t body_bytes() const { return transaction_.body_bytes(); }
    // What has gathered, the Received line in front of the first piece. Held input moves on, so new
    // events may follow.
    [[nodiscard]] std::string take_body(Instant now);

    [[nodiscard]] std::optional<ServerEvent> poll_event();
    [[nodiscard]] std::string take_output();
    [[nodiscard]] std::optional<Instant> deadline() const { return clock_.deadline(); }
    // More commands are held than one turn may take.
    [[nodiscard]] bool is_resting() const { return state_ == State::resting; }
    // In a later turn: takes the next ones, if the session still rests.
    void go_on(Instant now);
    // If not, reading is to be paused. Bytes that come all the same are held.
    [[nodiscard]] bool wants_input() const;

private:
    enum class State : std::uint8_t {
        idle,
        command,
        resting,
        waking,
        transaction,
        refused_text,
        ended,
    };

    // Input: each step takes from the front; false if no more can be processed for now.
    void process(Instant now, std::string_view& input);
    void process_held(Instant now);
    void end_if_input_has();
    [[nodiscard]] bool step(Instant now, std::string_view& input);
    [[nodiscard]] bool step_command(Instant now, std::string_view& input);
    [[nodiscard]] bool step_transaction(Instant now, std::string_view& input);
    [[nodiscard]] bool step_refused_text(Instant now, std::string_view& input);
    [[nodiscard]] bool take_early(Instant now, std::string_view input);

    // Commands.
    void on_line(Instant now, std::string_view line, bool is_too_long);
    void on_command(Instant now, Command& command, std::string_view line);
    [[nodiscard]] Answer obey(Instant now, Command& command);
    [[nodiscard]] Answer hello(Instant now, Verb verb, const HelloArguments& arguments);
    [[nodiscard]] Answer etrn(Instant now, EtrnArguments arguments);

    // The text of a message that was refused at DATA.
    void expect_refused_text(const ServerReply& reply);
    [[nodiscard]] bool is_of_refused_text(Instant now, Verb verb, std::string_view line);
    void enter_refused_text(Instant now);
    void finish_refused_text(Instant now);

    // Answers and ends.
    void give(std::string_view line, const Answer& answer);
    void enter_command(Instant now);
    void follow_transaction();
    void leave_store(Instant now);
    [[nodiscard]] bool is_in(TransactionDialogue::State state) const;
    [[nodiscard]] bool is_deciding() const;
    void end_for_input(std::string_view input, const ServerReply& reply, std::string_view why);
    void end_with(const ServerReply& reply, server_event::EndReason reason, std::string_view text);
    void end(server_event::EndReason reason, std::string_view text);

    const ServerOptions& options_;
    KnownClient client_;
    Extensions extensions_;  // for this client

    State state_ = State::idle;
    bool is_shutting_down_ = false;
    bool has_input_ended_ = false;
    std::uint32_t commands_of_turn_ = 0;
    std::string asked_line_;  // that the open question is about, for the log
    std::string held_;
    std::deque<ServerEvent> events_;
    EarlyInput early_;
    SessionClock clock_;
    LineGatherer lines_;
    SessionReplies replies_;
    TransactionDialogue transaction_;
    std::optional<RefusedText> refused_text_;
};

}  // namespace mta::smtp
