#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/diagnosis/reply_policy.h"
#include "mta/smtp/client/client_transaction.h"
#include "mta/smtp/syntax/capabilities.h"
#include "mta/smtp/syntax/reply_parser.h"

namespace mta::smtp {

// RFC 5321 section 4.5.3.2. Each is for one whole reply; a byte now and then prolongs nothing. A
// shorter final_dot makes duplicates.
struct ClientTimeouts {
    Millis greeting{300'000};
    Millis command{300'000};       // EHLO, MAIL, RCPT
    Millis data_command{120'000};  // DATA
    Millis data_block{180'000};    // from one body() to the next
    Millis final_dot{600'000};
    Millis rset{20'000};
    Millis quit{5'000};
};

struct ClientOptions {
    std::string ehlo_name;  // a host name or address literal: printable ASCII without spaces
    std::string remote;     // goes into DeliveryError::remote
    ClientTimeouts timeouts;
    // Off: HELO is all that is tried, for a host that hangs up on EHLO.
    bool ehlo = true;
    // Not used though the server offers them.
    SmtpKeywords without;
};

// The client side of one SMTP connection, without the connection: one after the other it carries
// any number of transactions.
//
//   greeting -> ehlo [-> helo] -> ready -> transaction -> ready -> ... -> quit -> ended
//       any state -- 421, close, timeout, nonsense --> ended
//
// A reply that breaks off (close, timeout, text without end) counts if its code was said: a message
// whose final dot got "250" and no line end was taken, and would arrive twice if it were sent
// again. A yes to anything before that leads no further, since the session is over.
//
// Driving. The driver calls
//   on_connected() once, then on_bytes(), on_deadline() (not before deadline()), on_closed();
//   start(), body(), quit() of its own accord, when they are allowed;
// and after each call writes take_output() to the stream, takes poll_event() until it is empty, and
// sets its timer to deadline(). After SessionEnded everything that still comes is ignored, but for
// the last take_output() (it may hold a QUIT): then the stream is to be finished.
//
// Transactions. start() when can_start(): at Ready, and with PIPELINING already while the reply to
// the last one's final dot is outstanding, so that the next MAIL leaves with that dot. Each ends in
// exactly one TransactionEnded, in the order of start(), before SessionEnded at the latest. To
// break one off before its end destroy the session and abort the stream: nothing is delivered,
// unless the body had been complete.
//
// Bodies. One that is in memory comes with start() and leaves with the commands, if the server can
// take that (PIPELINING and CHUNKING), or right after 354. A large one is pulled: as long as
// wants_body() names its transaction, the driver calls body() with the next piece, when the
// stream's backlog allows. Memory: a body in memory or one piece, encoded, and the reply that is
// coming in.
//
// STARTTLS and AUTH are not here yet; their place is between the EHLO reply and ready
// (after_hello()).
class ClientSession {
public:
    // Nothing is under way: start() if can_start(), or quit(). After EHLO, and when the last
    // transaction has ended.
    struct Ready {};

    struct TransactionEnded {
        TransactionNumber number = 0;
        // One for each recipient of the envelope, in that order. Good: the server is responsible
        // now.
        std::vector<Result<void>> recipients;
        // The words for those that are good: the reply to the final dot. 0 and empty if there are
        // none.
        std::uint16_t reply_code = 0;
        std::string reply;
        // All of the body had left, and the connection broke, timed out or went out of step before
        // the server's answer: whoever has a 4.4.2 or 4.5.0 here may have got the message.
        // A close in order is none before the body's turn: replies come in order, and that one was
        // not the next.
        bool in_doubt = false;
        // The session broke (421, close, timeout, nonsense) in the middle of the transaction: the
        // recipients, by their place in the envelope, that still had no answer of their own. Empty:
        // it did not break.
        std::vector<std::size_t> broken_off;
        // Those of them whose RCPT the server had still to answer. Those before the first of these
        // it had accepted, and of those behind the last one it has not heard. If it is one alone,
        // its error has Scope::recipient; all others have Scope::message.
        std::vector<std::size_t> suspects;
        // The connection had served before, and was gone before it answered anything about this
        // transaction (the server's idle timeout, as a rule), or RSET failed in any way: it says
        // nothing about the host. Try at once on a new connection, nothing is to be charged. So is
        // what was said behind a transaction that broke the session, or ended it with a refusal.
        bool never_began = false;
        // The session ended before the answer because the server had offered CHUNKING and then did
        // not know BDAT; nothing was taken. Try at once on a new connection
        // ClientOptions::without it, and remember it for this host.
        bool chunking_refused = false;
        // The connection broke, timed out or went out of step in the first transaction that made
        // use of this keyword: PIPELINING, with several commands under way, or CHUNKING, at BDAT.
        // Perhaps the server only claims to know it. Unless `in_doubt`, nothing was taken.
        std::optional<SmtpKeyword> suspect = std::nullopt;
        bool has_timed_out = false;  // so it broke
        // How many of its commands were answered, RSET not counted.
        std::uint32_t answers = 0;
        // Of PIPELINING and CHUNKING, those that were used.
        SmtpKeywords used = {};
        // NOTIFY, RET, ENVID and ORCPT went with it. If not, a recipient that is good and has
        // NOTIFY=SUCCESS is owed a `relayed` DSN by us (RFC 3461 section 5.2.2).
        bool dsn_passed_on = false;
        bool deliver_by_passed_on = false;  // BY went with it
    };

    enum class EndReason : std::uint8_t {
        quit,         // ours; `error` is empty
        idle_closed,  // the server hung up on us while nothing was under way, or did not do RSET,
                      // or said yes to the last message in a reply that broke off: no failure
        message,      // the host is up; the transaction under way, if there was one, says why
        failed,       // a failure of the host: `error` has it
    };
    struct SessionEnded {
        EndReason reason = EndReason::failed;
        DeliveryError error;
    };
    using Event = std::variant<Ready, TransactionEnded, SessionEnded>;

    explicit ClientSession(ClientOptions options);

    void on_connected(Instant now);
    // `is_all_sent`: what take_output() has given has left. A no to a body of which it has not was
    // said before the server had the body.
    void on_bytes(Instant now, std::string_view bytes, bool is_all_sent = true);
    // Nothing happens if `now` is before the deadline.
    void on_deadline(Instant now);
    // `reason`: of the system, empty for an orderly close.
    void on_closed(Instant now, std::string_view reason);

    [[nodiscard]] bool can_start() const;
    // What the server cannot take is answered at once, without a byte to it: SMTPUTF8 needed
    // (4.6.7), 8BITMIME or BINARYMIME needed (4.6.3, 4.6.1), too large (5.3.4), an address or
    // parameter that must not be written (5.1.3, 5.1.7). `transaction.body` has to stay valid until
    // TransactionEnded.
    TransactionNumber start(Instant now, Transaction transaction);

    // The transaction whose next piece of body may come now; 0: none. Always 0 for those that came
    // with their body.
    [[nodiscard]] TransactionNumber wants_body() const;
    // The next piece, of any size up to limits::body_chunk_bytes_max or so; `is_last` may come with
    // an empty one. A piece for a transaction that does not want it (any more) is dropped.
    void body(Instant now, TransactionNumber number, std::string_view piece, bool is_last);

    // As soon as nothing is under way: QUIT. SessionEnded comes with its reply, and after
    // ClientTimeouts::quit at the latest.
    void quit(Instant now);

    [[nodiscard]] std::string take_output();
    [[nodiscard]] std::optional<Event> poll_event();
    [[nodiscard]] std::optional<Instant> deadline() const { return deadline_; }
    // Since when it has waited for what the deadline is for: a reply, or the next piece of a body.
    [[nodiscard]] Instant waits_since() const { return waits_since_; }

    // The recipient whose RCPT the next reply answers, by its place in the envelope; nullopt if the
    // next reply answers another command.
    [[nodiscard]] std::optional<std::size_t> recipient_awaited() const {
        const bool is_rcpt = !awaited_.empty() && awaited_.front().question == Question::rcpt;
        return is_rcpt ? std::optional(awaited_.front().recipient) : std::nullopt;
    }

    // Of the last EHLO. RFC 9422: how many recipients go into one transaction is the caller's
    // business, how many transactions into this session is in can_start().
    [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }
    [[nodiscard]] bool has_ended() const { return state_ == State::ended; }
    // The whole body of a transaction has left: it may be delivered, whatever becomes of the
    // connection.
    [[nodiscard]] bool is_body_out() const {
        return std::ranges::any_of(
            running_, [](const Running& each) { return each.body == BodyPhase::complete; });
    }
    // Past the greeting and EHLO: the host is up and takes mail.
    [[nodiscard]] bool was_ready() const { return was_ready_; }

private:
    enum class State : std::uint8_t {
        idle,
        hello,     // greeting, EHLO, HELO
        open,      // ready, or up to transactions_max_ under way
        quitting,  // QUIT is said
        ended,
    };
    enum class Step : std::uint8_t { rset, mail, rcpt, data, none };  // what is to be said next
    enum class BodyPhase : std::uint8_t {
        waiting,   // for its turn
        pulling,   // the caller is asked for pieces
        complete,  // in the output, its end included
        dropped,   // will not be sent, or no more of it
    };
    // A transaction under way.
    struct Running {
        TransactionNumber number = 0;
        Transaction transaction;
        TransactionPlan plan;
        std::vector<std::optional<DeliveryError>> errors;  // one for each recipient
        BodyEncoder encoder{BodyEncoding::dot_stuffed};
        std::size_t next_recipient = 0;
        std::size_t recipients_asked = 0;
        std::size_t recipients_answered = 0;
        std::size_t recipients_accepted = 0;
        std::size_t awaited = 0;  // replies
        Step step = Step::none;
        BodyPhase body = BodyPhase::waiting;
        bool is_refused = false;        // by MAIL, or its body by a reply to a piece of it
        std::uint32_t answers = 0;      // RSET's is none
        bool has_open_mail = false;     // the server is in the middle of it: RSET before the next
        bool is_reset_refused = false;  // and yet the body has left: the reply to MAIL decides
        Reply final_reply;

        [[nodiscard]] bool is_over() const {
            return awaited == 0 && step == Step::none &&
                   (body == BodyPhase::complete || body == BodyPhase::dropped);
        }
    };
    enum class Question : std::uint8_t {
        greeting,
        ehlo,
        helo,
        rset,
        mail,
        rcpt,
        data,
        chunk,  // BDAT, not the last
        body,   // the final dot, BDAT LAST
    };
    struct Awaited {
        Question question{};
        Running* running = nullptr;  // nobody's: greeting, EHLO, HELO
        std::size_t recipient = 0;   // of RCPT
    };
    using ErrorAt = std::function<DeliveryError(Stage)>;
    struct Failure {
        bool is_refusal = false;    // the server has said no to all that is outstanding: no doubt
        bool may_be_stale = false;  // as an idle connection ends
        bool is_timeout = false;
        bool is_in_step = false;  // QUIT may still be said
        bool chunking_refused = false;
        bool needs_new_connection = false;  // the first one under way never began
    };

    // Replies.
    void on_reply(Instant now, const Reply& reply);
    void on_unasked_reply(const Reply& reply);
    [[nodiscard]] bool take_cut_reply(Instant now, const Reply& reply);
    void answer(const Awaited& awaited, const Reply& reply);
    void on_hello_reply(Question question, const Reply& reply);
    void on_mail_reply(Running& running, const Reply& reply);
    void on_rcpt_reply(const Awaited& awaited, const Reply& reply);
    void on_data_reply(Running& running, const Reply& reply);
    void on_body_reply(const Awaited& awaited, const Reply& reply);
    void after_hello(const Reply& reply, bool is_esmtp);

    // Commands.
    void ask(Question question, std::string_view command, Running* running = nullptr,
             std::size_t recipient = 0);
    void say_hello(Question question);
    void advance(Running& running);
    [[nodiscard]] bool may_say_next(const Running& running) const;
    void say_next(Running& running);
    void append_body(Running& running, std::string_view piece, bool is_last);
    void say_quit(Instant now);

    // Ends.
    void refuse_rest(Running& running, DeliveryError error);
    void settle(Instant now);
    // `ended`: how, as far as the running one does not know it.
    void finish_transaction(Running& running, TransactionEnded ended);
    void fail(const ErrorAt& error_at, Failure failure);
    // The same, when the reply under way will not come to its end.
    void fail_in_reply(Instant now, const ErrorAt& error_at, Failure failure);
    void fail_unexpected(const Reply& reply);
    void end(EndReason reason, DeliveryError error, Failure failure);

    [[nodiscard]] bool pipelines() const { return capabilities_.pipelining; }
    [[nodiscard]] std::optional<SmtpKeyword> suspect(const Failure& failure) const;
    [[nodiscard]] Stage stage() const;
    [[nodiscard]] Stage stage_of(const Running& running) const;
    [[nodiscard]] bool is_in_doubt(const Running& running) const;
    [[nodiscard]] std::vector<std::size_t> suspects_of(const Running& running) const;
    void break_off(Running& running, DeliveryError error, TransactionEnded& ended) const;
    [[nodiscard]] Millis timeout_of(Question question) const;
    void rearm(Instant now);
    [[nodiscard]] DeliveryError with_remote(DeliveryError error) const;

    ClientOptions options_;
    State state_ = State::idle;
    ReplyParser parser_;
    Capabilities capabilities_;
    std::deque<Running> running_;         // in order; Awaited points into it
    std::deque<Awaited> awaited_;         // replies still to come, in order
    std::size_t awaited_handed_out_ = 0;  // of them, those whose command was taken
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
    std::string output_;
    std::deque<Event> events_;
    std::optional<Instant> deadline_;
    Instant waits_since_;
};

}  // namespace mta::smtp
