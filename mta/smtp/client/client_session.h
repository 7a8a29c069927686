#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/smtp/client/client_event.h"
#include "mta/smtp/client/client_options.h"
#include "mta/smtp/client/client_transaction.h"
#include "mta/smtp/client/hello.h"
#include "mta/smtp/client/pipeline.h"
#include "mta/smtp/client/running_transaction.h"
#include "mta/smtp/client/session_break.h"
#include "mta/smtp/syntax/capabilities.h"
#include "mta/smtp/syntax/reply_parser.h"

namespace mta::smtp {

// The client side of one SMTP connection, without the connection: it carries any number of
// transactions, one after the other.
//
//   hello  ->  ready -> transaction -> ready -> ...  ->  quit  ->  ended
//        any state -- 421, close, timeout, nonsense --> ended
//
// The parts: Hello is the dialogue before the first transaction, each RunningTransaction one
// message, the Pipeline has the replies that are awaited, and outcome_of() decides what a break
// means. The session decides when a transaction may begin, hands the replies to the parts, and
// keeps the deadline.
//
// A reply that breaks off (close, timeout, text without end) counts if its code was said: a message
// whose final dot got "250" and no line end was taken, and would arrive twice if it were sent
// again. A positive reply to anything before that leads no further, since the session is over.
//
// Driving. The driver calls
//   on_connected() once, then on_bytes(), on_deadline() (not before deadline()), on_closed();
//   start(), body(), quit() of its own accord, when they are allowed;
// and after each call writes take_output() to the stream, takes poll_event() until it is empty, and
// sets its timer to deadline(). After SessionEnded all input is ignored; the last take_output() may
// hold a QUIT. Then the stream is to be finished.
//
// Transactions. start() when can_start(): at SessionReady, and with PIPELINING already while the
// reply to the last one's final dot is outstanding, so that the next MAIL leaves with that dot.
// Each ends in exactly one TransactionEnded, in the order of start(), before SessionEnded at the
// latest. To break one off before its end destroy the session and abort the stream: nothing is
// delivered, unless the body had been complete.
//
// Bodies. One that is in memory comes with start() and leaves with the commands, if the server can
// take that (PIPELINING and CHUNKING), or right after 354. A large one is pulled: as long as
// wants_body() names its transaction, the driver calls body() with the next piece, when the
// stream's backlog allows. Memory: a body in memory or one piece, encoded, and the reply that is
// coming in.
class ClientSession {
public:
    using Ready = SessionReady;
    using TransactionEnded = smtp::TransactionEnded;
    using EndReason = smtp::EndReason;
    using SessionEnded = smtp::SessionEnded;
    using Event = ClientEvent;

    explicit ClientSession(ClientOptions options);
    ClientSession(const ClientSession&) = delete;
    ClientSession& operator=(const ClientSession&) = delete;
    ~ClientSession() = default;

    void on_connected(Instant now);
    // `is_all_sent`: the connection has taken all that take_output() returned. If it has not taken
    // the whole body, a refusal of the body was said before the server had all of it.
    void on_bytes(Instant now, std::string_view bytes, bool is_all_sent = true);
    // Does nothing if `now` is before the deadline.
    void on_deadline(Instant now);
    // `reason`: the system's, empty for an orderly close.
    void on_closed(Instant now, std::string_view reason);

    [[nodiscard]] bool can_start() const;
    // What the server cannot take is answered at once, without a byte to it; see
    // plan_transaction(). `transaction.body` has to stay valid until TransactionEnded.
    TransactionNumber start(Instant now, Transaction transaction);

    // The transaction whose next piece of body may come now; 0 if there is none. Never one that
    // came with its body.
    [[nodiscard]] TransactionNumber wants_body() const;
    // The next piece, of any size up to limits::body_chunk_bytes_max or so; `is_last` may come with
    // an empty one. A piece for a transaction that does not want it (any more) is dropped.
    void body(Instant now, TransactionNumber number, std::string_view piece, bool is_last);

    // Says QUIT as soon as no transaction is under way. SessionEnded comes with its reply, and
    // after ClientTimeouts::quit at the latest.
    void quit(Instant now);

    [[nodiscard]] std::string take_output();
    [[nodiscard]] std::optional<Event> poll_event();
    [[nodiscard]] std::optional<Instant> deadline() const { return deadline_; }
    // Since when it has waited for what the deadline is for: a reply, or the next piece of a body.
    [[nodiscard]] Instant waits_since() const { return waits_since_; }

    // The recipient whose RCPT the next reply answers, by its place in the envelope; nullopt if the
    // next reply answers another command.
    [[nodiscard]] std::optional<std::size_t> recipient_awaited() const {
        const bool is_rcpt = !pipeline_.is_empty() && pipeline_.front().question == Question::rcpt;
        return is_rcpt ? std::optional(pipeline_.front().recipient) : std::nullopt;
    }

    // What the server offered in reply to EHLO. RFC 9422: the caller keeps to the limit on the
    // recipients of a transaction, can_start() to the limit on transactions.
    [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }
    [[nodiscard]] bool has_ended() const { return state_ == State::ended; }
    // The whole body of a transaction has left: it may be delivered even if the connection
    // breaks now.
    [[nodiscard]] bool is_body_out() const {
        return std::ranges::any_of(running_, &RunningTransaction::is_body_complete);
    }
    // The greeting and EHLO are over: the host is up and takes mail.
    [[nodiscard]] bool was_ready() const { return was_ready_; }

private:
    enum class State : std::uint8_t {
        idle,
        hello,     // greeting, EHLO, HELO
        open,      // ready, or up to transactions_running_max under way
        quitting,  // QUIT is said
        ended,
    };

    // Replies.
    void on_reply(Instant now, const Reply& reply);
    void on_hello_reply(Instant now, const Reply& reply);
    void on_open_reply(Instant now, const Reply& reply);
    void on_unasked_reply(const Reply& reply);
    [[nodiscard]] bool take_cut_reply(Instant now, const Reply& reply);
    [[nodiscard]] bool answer(RunningTransaction& running, const Reply& reply);
    [[nodiscard]] RunningTransaction& front_asked();

    // Ends.
    void settle(Instant now);
    void say_quit(Instant now);
    void break_in_reply(Instant now, SessionBreak broken);
    void break_off(SessionBreak broken);
    void fail_hello(Hello::Failure failure);
    void end(EndReason reason, DeliveryError error, bool may_quit);

    void rearm(Instant now);

    ClientOptions options_;
    State state_ = State::idle;
    ReplyParser parser_;
    Hello hello_;
    Capabilities capabilities_;
    Pipeline pipeline_;
    std::deque<RunningTransaction> running_;  // in the order of their start
    TransactionNumber last_number_ = 0;
    std::uint32_t mails_said_ = 0;
    bool has_served_ = false;  // a transaction has ended with an answer
    bool has_bdat_answer_ = false;
    bool needs_reset_ = false;
    bool ready_due_ = false;
    bool quit_wanted_ = false;
    bool was_ready_ = false;
    bool is_all_sent_ = true;
    bool is_closed_in_order_ = false;  // by the server
    std::deque<Event> events_;
    std::optional<Instant> deadline_;
    Instant waits_since_;
};

}  // namespace mta::smtp
