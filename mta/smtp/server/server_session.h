#pragma once
#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mta/base/envelope.h"
#include "mta/base/time.h"
#include "mta/smtp/server/body_reception.h"
#include "mta/smtp/server/command_parser.h"
#include "mta/smtp/server/early_input.h"
#include "mta/smtp/server/incoming_envelope.h"
#include "mta/smtp/server/line_gatherer.h"
#include "mta/smtp/server/refused_text.h"
#include "mta/smtp/server/server_options.h"
#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/server/session_clock.h"
#include "mta/smtp/syntax/address.h"
#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// The server side of one SMTP connection, without the connection (RFC 5321 and the extensions in
// command_parser.h). The session decides everything about the dialogue; mta/inbound moves bytes,
// time and messages, and answers what the session asks.
//
//   state         event                                                      next state
//   idle          on_connected()                                             command
//   command       MAIL, RCPT, ETRN                                           deciding
//   deciding      decide()                                                   command
//   command       DATA; BDAT, the first one of a message                     beginning
//   beginning     begin()                                                    data; chunk
//   beginning     refuse()                                                   command; chunk
//   data          CRLF.CRLF                                                  storing
//   command       BDAT, not the first one                                    chunk
//   chunk         all its bytes                                              command
//   chunk         all its bytes, and it was the LAST                         storing
//   storing       accepted(), refuse()                                       command
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
    // May mail be taken from this client now? Asked at MAIL, so that a client need not send a
    // message in vain. A reply of 4xx defers the mail, one of 5xx counts as the client's error.
    struct MailAsked {
        std::string reverse_path;  // without <>; empty: the null sender
        std::optional<std::uint64_t> declared_size;
    };
    // May this client send to this recipient? Not asked about a bare postmaster, which every server
    // takes.
    struct RecipientAsked {
        Address recipient;
    };
    // Mail for a host is wanted (ETRN, RFC 1985). The answer is always a reply: section 5.3 there.
    struct EtrnAsked {
        EtrnArguments arguments;
    };
    struct MessageBegins {
        Envelope envelope;
        std::optional<std::uint64_t> declared_size;  // by MAIL's SIZE
        std::string helo_name;                       // as the client sent it
    };
    struct MessageEnds {
        BodyFacts facts;
        std::string message_id;
    };
    struct MessageAborted {
        std::string reason;  // "connection lost", "bare CR or LF"
    };
    // For the log: a command or message that was answered with 4xx or 5xx.
    struct Refused {
        // The line as it came, at most 200 bytes of it; "DATA", "BDAT" for a body.
        std::string command;
        ServerReply reply;
        bool is_repetition = false;  // to be counted, not logged: another recipient too many
    };
    enum class EndReason : std::uint8_t {
        quit,
        lost,             // on_closed(), or on_input_end() without QUIT
        timed_out,        // a command or the data took too long
        too_many_errors,  // limits::session_errors_max and those beside it
        // Early input, a line without CR, a BDAT whose size cannot be read, text that may be that
        // of a refused message.
        violation,
        shut_down,
        made_room,  // make_room()
    };
    struct SessionEnded {
        EndReason reason = EndReason::quit;
        std::string text;  // for the log: more about it, may be empty
    };
    using Event = std::variant<MailAsked, RecipientAsked, EtrnAsked, MessageBegins, MessageEnds,
                               MessageAborted, Refused, SessionEnded>;
    // "Yes, and these are the client's rights by now", or the reply.
    using Verdict = std::expected<ClientRights, ServerReply>;

    // `options` must outlive the session.
    ServerSession(const ServerOptions& options, ClientInfo client);

    // First: the greeting.
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
    void decide(Instant now, const Verdict& verdict);
    // Answer to MessageBegins; `queue_id` as in "250 2.0.0 queued as <queue_id>".
    void begin(Instant now, std::string queue_id);
    // Answer to MessageEnds: the message is safe now.
    void accepted(Instant now);
    // From MessageBegins to the answer to MessageEnds: 4xx or 5xx.
    void refuse(Instant now, ServerReply reply);

    [[nodiscard]] std::size_t body_bytes() const;
    // What has gathered, the Received line in front of the first piece. Held input moves on, so new
    // events may follow.
    [[nodiscard]] std::string take_body(Instant now);

    [[nodiscard]] std::optional<Event> poll_event();
    [[nodiscard]] bool has_event() const { return !events_.empty(); }
    [[nodiscard]] std::string take_output();
    [[nodiscard]] std::optional<Instant> deadline() const { return clock_.deadline(); }
    // More commands are held than one turn may take.
    [[nodiscard]] bool is_resting() const { return state_ == State::resting; }
    // In a later turn: takes the next ones, if the session still rests.
    void go_on(Instant now);
    // False: pause reading. Bytes that come all the same are held.
    [[nodiscard]] bool wants_input() const;
    [[nodiscard]] bool has_ended() const { return state_ == State::ended; }

private:
    enum class State : std::uint8_t {
        idle,
        command,
        resting,
        deciding,
        beginning,
        data,
        chunk,
        storing,
        refused_text,
        ended,
    };
    static constexpr std::size_t logged_bytes_max = 200;  // of a line
    // What the driver knows of a transaction's message.
    enum class Phase : std::uint8_t {
        envelope,   // nothing yet
        announced,  // MessageBegins: MessageEnds or MessageAborted is to come
        settled,    // that has come, or the driver has refused the message
    };
    // From MAIL to the reply to the message, or RSET.
    struct Incoming {
        IncomingEnvelope envelope;
        Phase phase = Phase::envelope;
        // From begin() on; with BDAT several chunks see it.
        std::optional<BodyReception> body = {};
        std::string queue_id = {};
        bool has_chunk_failed = false;  // further BDATs are refused until RSET
    };
    // A BDAT's bytes, on their way into the message, or (`refusal`) nowhere.
    struct Chunk {
        std::uint64_t bytes = 0;
        std::uint64_t left = 0;
        bool is_last = false;
        std::optional<ServerReply> refusal;
    };
    // What is being decided; in State::deciding.
    struct EtrnQuestion {};
    using Question = std::variant<EtrnQuestion, MailArguments, Recipient>;

    // Input: each step takes from the front; false if no more can be processed for now.
    void process(Instant now, std::string_view& input);
    void process_held(Instant now);
    void end_if_input_has();
    [[nodiscard]] bool step(Instant now, std::string_view& input);
    [[nodiscard]] bool step_command(Instant now, std::string_view& input);
    [[nodiscard]] bool step_data(Instant now, std::string_view& input);
    [[nodiscard]] bool step_chunk(Instant now, std::string_view& input);
    [[nodiscard]] bool step_refused_text(Instant now, std::string_view& input);
    [[nodiscard]] bool take_early(Instant now, std::string_view input);

    // Commands.
    void on_line(Instant now, std::string_view line, bool is_too_long);
    void on_command(Instant now, Command command, std::string_view line);
    void on_hello(Instant now, Verb verb, const HelloArguments& arguments);
    void on_mail(Instant now, MailArguments arguments, std::string_view line);
    void on_rcpt(Instant now, RcptArguments arguments, std::string_view line);
    void on_data(std::string_view line);
    void on_bdat(Instant now, const BdatArguments& arguments);
    void on_etrn(Instant now, EtrnArguments arguments, std::string_view line);
    void on_idle_command(const ServerReply& reply);
    void ask(Instant now, std::string_view line, Question question, Event event);
    void conclude(Instant now, EtrnQuestion question, const Verdict& verdict);
    void conclude(Instant now, const MailArguments& arguments, const Verdict& verdict);
    void conclude(Instant now, Recipient recipient, const Verdict& verdict);
    void add_recipient(Recipient recipient, std::string_view line);
    [[nodiscard]] std::optional<ServerReply> refusal_to_begin() const;

    // A message. The first three are for where the state says that there is one.
    [[nodiscard]] Incoming& incoming();
    [[nodiscard]] BodyReception& body();
    [[nodiscard]] Chunk& chunk();
    void announce();
    void enter_chunk(Instant now);
    void finish_chunk(Instant now);
    void finish_message(Instant now, std::string_view command);
    void leave_store(Instant now);
    void abort_if_refused();
    void abort_message(std::string_view reason);
    void reset_transaction(std::string_view reason);
    [[nodiscard]] bool is_body_full() const;

    // The text of a message that was refused at DATA.
    void refuse_data(std::string_view line, const ServerReply& reply);
    void expect_refused_text(const ServerReply& reply);
    [[nodiscard]] bool is_of_refused_text(Instant now, Verb verb, std::string_view line);
    void enter_refused_text(Instant now);
    void finish_refused_text(Instant now);

    // Answers and ends.
    void say(std::uint16_t code, EnhancedStatus status, std::string_view text);
    void refuse_command(std::string_view line, const ServerReply& reply);
    void say_refused(std::string_view line, const ServerReply& reply, bool is_repetition = false);
    void defer_mail(std::string_view line, const ServerReply& reply);
    void enter_command(Instant now);
    [[nodiscard]] ServerReply closing(EnhancedStatus status, std::string_view why) const;
    [[nodiscard]] ServerReply reply_to_unfinished() const;
    void end_for_input(std::string_view input, const ServerReply& reply, std::string_view why);
    void end_with(const ServerReply& reply, EndReason reason, std::string_view text);
    void end(EndReason reason, std::string_view text);

    const ServerOptions& options_;
    ClientInfo client_;
    Extensions extensions_;  // for this client

    State state_ = State::idle;
    bool is_extended_ = false;  // EHLO
    bool is_shutting_down_ = false;
    bool has_input_ended_ = false;
    bool has_mail_ended_silence_ = false;  // since the last message: another MAIL does not
    std::uint32_t commands_of_turn_ = 0;
    std::uint32_t errors_ = 0;
    std::uint32_t idle_commands_ = 0;
    std::uint32_t deferrals_ = 0;
    std::string helo_name_;
    EarlyInput early_;
    SessionClock clock_;
    LineGatherer lines_;
    Question question_;
    std::string asked_line_;  // that the question is about, for the log
    std::optional<Incoming> incoming_;
    std::optional<Chunk> chunk_;
    std::optional<RefusedText> refused_text_;

    std::string held_;
    std::string output_;
    std::deque<Event> events_;
};

}  // namespace mta::smtp
