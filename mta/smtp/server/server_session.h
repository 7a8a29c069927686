#pragma once
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mta/base/envelope.h"
#include "mta/base/ip_address.h"
#include "mta/base/recipient_list.h"
#include "mta/base/time.h"
#include "mta/smtp/server/command_parser.h"
#include "mta/smtp/server/data_stream.h"
#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/syntax/address.h"
#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// A session may be without mail for so many times the timeout of a command: 421 4.4.2.
inline constexpr std::int64_t silent_commands_max = 6;
// The timeout of a command while connections are scarce, as Postfix has it under stress.
inline constexpr Millis stress_timeout{10'000};

struct ServerOptions {
    std::string hostname;    // in the greeting, EHLO's reply and Received
    std::string postmaster;  // where RCPT TO:<postmaster> goes; empty: postmaster@hostname
    Extensions extensions;
    std::uint64_t message_bytes_max = 50'000'000;  // 552 5.3.4
    std::uint32_t recipients_max = 1000;           // different ones; 452 4.5.3
    std::uint32_t received_hops_max = 50;          // 554 5.4.6
    // For a whole command line; 421 4.4.2. A session without mail ends after six times as long.
    Millis command_timeout{300'000};
    Millis data_timeout{300'000};             // without a byte; 421 4.4.2
    std::uint32_t data_rate_bytes_min = 100;  // a second, on average over each minute; 0: off; 421
    Millis future_release_max{0};             // a longer HOLDFOR, a later HOLDUNTIL: 501 5.5.4
    std::uint32_t deliver_by_min_s = 0;       // a shorter BY with R: 555 5.5.4
};

struct ClientInfo {
    Endpoint remote;
    bool is_tls = false;
    bool is_authenticated = false;
    // FUTURERELEASE and DELIVERBY are for our own clients, as far as `extensions` has them: they
    // make us keep mail, or give it up, at their wish. They may send early (ServerSession).
    bool is_own = false;
    // Its MT-PRIORITY counts. Anybody else may only ask for less than others get; a higher priority
    // is lowered to 0, and the client hears so with the 250 for the message (RFC 6710: 2.3.6).
    bool may_prioritise = false;
};

// The server side of one SMTP connection, without the connection (RFC 5321 and the extensions in
// command_parser.h). Every decision about the dialogue is here; mta/inbound moves bytes, time and
// messages.
//
//   idle -> command <-------------------------------------------------+
//             |-- DATA -> begin? -- begin() --> data --- CRLF.CRLF ---|-> store? -- accepted() ->
//             command
//             '-- BDAT -> begin? -- begin() --> chunk -> command ... LAST ^     '- refuse() -->
//             command
//   command -- DATA is refused, and its text comes all the same --> refused_text -- CRLF.CRLF -->
//             command
//   command -- limits::session_commands_of_turn_max, and there is more --> resting -- go_on() -->
//             command
//   any -- QUIT, 421, a violation, on_closed() --> ended
//
// A session is here for mail. Without a message in six times the command_timeout it ends with 421,
// whatever else it says: NOOP, RSET, VRFY and a MAIL without a message keep no place.
//
// After on_input_end() what is held is still worked through and answered, a message past its final
// dot included; then the session ends. An incomplete line or message is dropped, and for a
// message the client is told so.
//
// A command line ends with CRLF. One that ends with LF alone is answered with 500 5.5.2 and ends
// the session.
//
// The driver calls, in this order, after each on_*(), begin(), accepted(), refuse(), take_body(),
// go_on() and shutdown(): poll_event() until it is empty, take_output() (write it), deadline() (set
// the timer), is_resting() (call go_on() in the next turn of the event loop, so that other sessions
// have their turn), wants_input() (pause or resume reading). After SessionEnded and the last
// output: finish the stream. Calls about a message are ignored once the session has ended, so that
// an answer may come late.
//
// Input is processed as far as possible; while an answer is awaited, while take_body() is due, and
// while the session rests, the rest is held. A resting session has no deadline: the client has done
// its part.
//
// Input is early if it comes before a reply for which the client had to wait (the banner, the reply
// to EHLO, DATA ...; with HELO any reply; RFC 2920) has left through take_output(). From a stranger
// it ends the session: 554 5.5.0. Clients of our own (ClientInfo::is_own) may send early, since
// devices and scripts often cannot wait. Two cases are refused from them, too: input before the
// reply to STARTTLS or AUTH, which change the rules, and before the reply to a first line that is
// no command: it may belong to another protocol, into which somebody else has put commands.
//
// A client that does not wait sends the text of a message even if its DATA was refused, in whatever
// form that came, and in the text there may be commands of somebody else. The text is not obeyed:
// it is skipped to its end, and answered as DATA was. What follows the refused DATA of our own
// client is, by its first line,
//
//                      from a client that never sent early    from one that did
//   early                                                     the text
//   a dot, a field     the text                               the text
//   a command          obeyed                                 nobody can tell: 421
//   anything else      nobody can tell: 421                   the text
//
// 421 rather than skipping, because a person who mistyped a command waits for an answer.
//
// A message, as the driver sees it:
//   MessageBegins -> begin() or refuse()
//   body_bytes() grows; take_body() whenever it pays (more than limits::body_inline_bytes_max); at
//     limits::body_chunk_bytes_max the session waits for it
//   MessageEnds   -> take_body() (the rest), store it, then accepted() or refuse()
//   MessageAborted at any time between: forget it, nobody was promised anything; no answer
// refuse() may also come while the body is under way (no space): the rest is swallowed, the client
// hears it after the end. If the connection is lost after MessageEnds, SessionEnded comes without
// MessageAborted: the message is complete, the driver may keep it (RFC 1047 tells why it should).
class ServerSession {
public:
    struct MessageBegins {
        Envelope envelope;
        std::optional<std::uint64_t> declared_size;  // by MAIL's SIZE
        std::string helo_name;                       // as said
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
        std::string
            command;  // the line as it came, at most 200 bytes of it; "DATA", "BDAT" for a body
        ServerReply reply;
        bool is_repetition = false;  // to be counted, not logged: another recipient too many
    };
    enum class EndReason : std::uint8_t {
        quit,
        lost,             // on_closed(), or on_input_end() without QUIT
        timed_out,        // a command or the data took too long
        too_many_errors,  // limits::session_errors_max and those beside it
        violation,  // early input, a line without CR, a BDAT whose size cannot be read, text that
                    // may be that of a refused message
        shut_down,
        made_room,  // make_room()
    };
    struct SessionEnded {
        EndReason reason = EndReason::quit;
        std::string text;  // for the log: more about it, may be empty
    };
    using Event = std::variant<MessageBegins, MessageEnds, MessageAborted, Refused, SessionEnded>;
    // Who may send where is decided outside: nothing if the recipient is taken, else what the
    // client hears (550 5.7.1). Not asked about a bare postmaster, whom every server takes.
    using RecipientCheck = std::move_only_function<std::optional<ServerReply>(const Address&)>;

    // Asked at each MAIL: nothing, or why no mail can be taken now (452 4.3.1), so that the client
    // need not send its message first.
    using MailCheck = std::move_only_function<std::optional<ServerReply>()>;

    // What a client hears that asks for mail to be sent to a host (ETRN, RFC 1985): one of the
    // replies of section 5.3 there. Null: this client may not, and ETRN is not offered.
    using OnEtrn = std::move_only_function<ServerReply(const EtrnArguments&)>;

    // `options` must outlive the session.
    ServerSession(const ServerOptions& options, ClientInfo client, RecipientCheck check,
                  MailCheck mail_check = nullptr, OnEtrn on_etrn = nullptr);

    // First: the greeting.
    void on_connected(Instant now);

    void on_bytes(Instant now, std::string_view bytes);
    void on_deadline(Instant now);  // may come early: then nothing happens
    // The client sends no more, but may still read.
    void on_input_end(Instant now);
    void on_closed(Instant now, std::string_view reason);
    // 421 4.3.2 at once, or, if a message is past its final dot, after its reply.
    void shutdown(Instant now);
    // While connections are scarce, a command has to come within `stress_timeout`.
    void set_stressed(Instant now, bool is_stressed);
    // Since when there has been no mail, if there is no transaction.
    [[nodiscard]] std::optional<Instant> idle_since() const;
    // Ends an idle session for the sake of another client: 421 4.3.2.
    void make_room(Instant now);

    // Answers to MessageBegins; `queue_id` as in "250 2.0.0 queued as <queue_id>".
    void begin(Instant now, std::string queue_id);
    // Answer to MessageEnds: it is safe now.
    void accepted(Instant now);
    // From MessageBegins to the answer to MessageEnds: 4xx or 5xx.
    void refuse(Instant now, ServerReply reply);

    [[nodiscard]] std::size_t body_bytes() const { return body_.size(); }
    // What has gathered, the Received line in front of the first piece. Held input moves on, so new
    // events may follow.
    [[nodiscard]] std::string take_body(Instant now);

    [[nodiscard]] std::optional<Event> poll_event();
    [[nodiscard]] bool has_event() const { return !events_.empty(); }
    [[nodiscard]] std::string take_output();
    [[nodiscard]] std::optional<Instant> deadline() const { return deadline_; }
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
        awaiting_begin,
        data,
        chunk,
        awaiting_store,
        refused_text,
        ended,
    };
    enum class LineEnd : std::uint8_t { none, crlf, bare_lf };
    // What input would be that comes now.
    enum class Early : std::uint8_t {
        no,       // the client need not wait, or the reply has left
        allowed,  // from our own client
        refused,
    };
    // From MAIL to the reply to the message, or RSET.
    struct Transaction {
        Envelope envelope;  // moves into MessageBegins, with the recipients
        RecipientList recipients;
        std::optional<std::uint64_t> declared_size;
        bool smtputf8 = false;
        std::int8_t priority = 0;
        bool is_priority_lowered = false;
        bool has_refused_recipients = false;
        std::uint32_t excess_recipients = 0;
        std::uint32_t repeated_recipients = 0;
        std::string only_recipient;
        bool is_announced = false;  // the driver expects MessageEnds or MessageAborted
        bool chunk_failed = false;  // further BDATs are refused until RSET
        // From MessageBegins on; with BDAT several chunks see it.
        bool has_begun = false;
        std::optional<DataStream> stream;
        std::optional<ServerReply> refusal;  // the driver's refuse(), to be said after the end
        std::string queue_id;
    };
    // A BDAT's bytes, on their way into the message, or (`refusal`) nowhere.
    struct Chunk {
        std::uint64_t bytes = 0;
        std::uint64_t left = 0;
        bool is_last = false;
        std::optional<ServerReply> refusal;
    };

    // From a DATA of our own client that was refused to the next command, or to the end of the
    // text.
    struct RefusedText {
        ServerReply reply;
        std::optional<DataStream> stream;  // in State::refused_text
    };

    // Input: each step takes from the front, false if it can go no further for now.
    void process(Instant now, std::string_view& input);
    void process_held(Instant now);
    void end_if_input_has();
    [[nodiscard]] bool step(Instant now, std::string_view& input);
    [[nodiscard]] bool step_command(Instant now, std::string_view& input);
    [[nodiscard]] bool step_data(Instant now, std::string_view& input);
    [[nodiscard]] bool step_chunk(Instant now, std::string_view& input);
    [[nodiscard]] bool step_refused_text(Instant now, std::string_view& input);
    [[nodiscard]] bool take_early(Instant now, std::string_view input);
    void rest();
    [[nodiscard]] LineEnd gather_line(std::string_view& input);
    [[nodiscard]] Early early_after(Verb verb) const;
    void on_line(Instant now, std::string_view line, bool is_too_long);

    // Commands, in server_session_commands.cc.
    void on_command(Instant now, const Command& command, std::string_view line);
    void on_hello(Instant now, Verb verb, const HelloArguments& arguments);
    void on_mail(Instant now, const MailArguments& arguments, std::string_view line);
    void on_rcpt(const RcptArguments& arguments, std::string_view line);
    void on_data(std::string_view line);
    void on_bdat(Instant now, const BdatArguments& arguments);
    void on_etrn(const EtrnArguments& arguments, std::string_view line);
    void on_idle_command(const ServerReply& reply);
    [[nodiscard]] std::string ehlo_text(Instant now) const;
    [[nodiscard]] std::expected<Requests, ServerReply> requests_of(
        Instant now, const MailArguments& arguments) const;
    [[nodiscard]] std::expected<Instant, ServerReply> release_of(
        Instant now, const MailArguments& arguments) const;
    [[nodiscard]] Recipient postmaster() const;
    [[nodiscard]] std::optional<ServerReply> refusal_to_begin() const;

    // A message. The first three are for where the state says that there is one.
    [[nodiscard]] Transaction& transaction();
    [[nodiscard]] DataStream& stream();
    [[nodiscard]] Chunk& chunk();
    void announce();
    void enter_chunk(Instant now);
    void finish_chunk(Instant now);
    void finish_message(Instant now, std::string_view command);
    void refuse_data(std::string_view line, const ServerReply& reply);
    void expect_refused_text(const ServerReply& reply);
    [[nodiscard]] bool is_of_refused_text(Instant now, Verb verb, std::string_view line);
    void enter_refused_text(Instant now);
    void finish_refused_text(Instant now);
    void leave_store(Instant now);
    void drop_body_if_refused();
    void abort_message(std::string_view reason);
    void reset_transaction(std::string_view reason);
    [[nodiscard]] bool is_body_full() const;

    // Answers and ends.
    void say(std::uint16_t code, EnhancedStatus status, std::string_view text);
    void refuse_command(std::string_view line, const ServerReply& reply);
    void say_refused(std::string_view line, const ServerReply& reply, bool is_repetition = false);
    void defer_mail(std::string_view line, const ServerReply& reply);
    void defer_recipient(std::string_view line);
    void end_for_recipients();
    void enter_command(Instant now);
    void end_for_input(std::string_view input, const ServerReply& reply, std::string_view why);
    [[nodiscard]] ServerReply reply_to_unfinished() const;
    void end_with(const ServerReply& reply, EndReason reason, std::string_view text);
    void end(EndReason reason, std::string_view text);

    // Time, in server_session_time.cc.
    [[nodiscard]] Millis command_timeout() const;
    [[nodiscard]] Instant end_of_silence() const;
    void end_silence(Instant now);
    void start_data_clock(Instant now);
    void set_data_deadline();
    void on_data_bytes(Instant now, std::size_t count);

    const ServerOptions& options_;
    ClientInfo client_;
    Extensions extensions_;  // for this client
    RecipientCheck check_;
    MailCheck mail_check_;
    OnEtrn on_etrn_;

    State state_ = State::idle;
    bool is_extended_ = false;  // EHLO
    Early early_ = Early::refused;
    bool has_sent_early_ = false;
    bool is_shutting_down_ = false;
    bool has_input_ended_ = false;
    bool is_stressed_ = false;
    std::uint32_t commands_of_turn_ = 0;
    std::uint32_t errors_ = 0;
    std::uint32_t idle_commands_ = 0;
    std::uint32_t deferrals_ = 0;
    std::string helo_name_;
    std::optional<Transaction> transaction_;
    std::optional<Chunk> chunk_;
    std::optional<RefusedText> refused_text_;

    std::string line_;  // the command line under way, if it came in pieces
    bool is_line_too_long_ = false;
    bool line_ends_with_cr_ = false;
    std::string held_;
    std::string body_;
    std::string output_;
    std::deque<Event> events_;

    std::optional<Instant> deadline_;
    Instant silent_since_;                 // the connection, a message, the first MAIL after it
    bool has_mail_ended_silence_ = false;  // since the last message: another MAIL does not
    Instant last_byte_;
    Instant rate_window_start_;
    std::uint64_t rate_window_bytes_ = 0;
};

}  // namespace mta::smtp
