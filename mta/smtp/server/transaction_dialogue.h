#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mta/base/envelope.h"
#include "mta/base/time.h"
#include "mta/smtp/server/body_reception.h"
#include "mta/smtp/server/incoming_envelope.h"
#include "mta/smtp/server/server_event.h"
#include "mta/smtp/server/server_options.h"
#include "mta/smtp/server/session_clock.h"
#include "mta/smtp/server/session_replies.h"
#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// The part of a session's dialogue that takes messages in: MAIL, RCPT, DATA, BDAT, the bytes of the
// message, and what the driver answers. It neither parses lines nor writes replies: each call
// returns the Answer, which may be none, and adds events for the driver.
//
//   state         call                                                   next state
//   command       mail(), rcpt()                                         deciding
//   deciding      decide()                                               command
//   command       data(); bdat(), the first one of a message             beginning
//   beginning     begin()                                                data; chunk
//   beginning     refuse()                                               command; chunk
//   data          feed() CRLF.CRLF                                       storing; command (refused)
//   command       bdat(), not the first one, or for no message           chunk
//   chunk         feed() all its bytes                                   command
//   chunk         feed() all its bytes, and it was the LAST              storing; command (refused)
//   storing       accept(), refuse()                                     command
//
// A call in another state is the session's mistake, except for refuse(): without a message that
// could be refused it has no effect. A refused command leaves the state as it is. reset() and
// abort() do not concern the state: the session calls them when it waits for a command, or ends.
class TransactionDialogue {
public:
    enum class State : std::uint8_t {
        command,    // nothing is under way: the session has the floor
        deciding,   // MailAsked or RecipientAsked is open
        beginning,  // MessageBegins is open
        data,       // text comes, until CRLF.CRLF
        chunk,      // the bytes of a BDAT come
        storing,    // MessageEnds is open
    };

    // All of it must outlive the dialogue. `client` is as the session knows it by now.
    TransactionDialogue(const ServerOptions& options, const KnownClient& client,
                        SessionClock& clock, std::deque<ServerEvent>& events)
        : options_(options), client_(client), clock_(clock), events_(events) {}

    // Commands.
    [[nodiscard]] Answer mail(Instant now, MailArguments&& arguments);
    [[nodiscard]] Answer rcpt(Instant now, RcptArguments&& arguments);
    [[nodiscard]] Answer data(Instant now);
    [[nodiscard]] Answer bdat(Instant now, const BdatArguments& arguments);
    // The transaction is forgotten.
    void reset(std::string_view reason);
    // The driver drops a message that has begun and not ended.
    void abort(std::string_view reason);

    // The driver's answers.
    [[nodiscard]] Answer decide(Instant now, const ServerVerdict& verdict);
    [[nodiscard]] Answer begin(Instant now, std::string queue_id);
    [[nodiscard]] Answer accept(Instant now);
    [[nodiscard]] Answer refuse(Instant now, ServerReply reply);

    // Takes bytes of a message from the front of `input`, which is not empty. Returns no value if
    // none can be taken now.
    [[nodiscard]] std::optional<Answer> feed(Instant now, std::string_view& input);
    [[nodiscard]] std::size_t body_bytes() const;
    // What has gathered of the message, to be stored.
    [[nodiscard]] std::string take_body(Instant now);
    // feed() takes no more until take_body().
    [[nodiscard]] bool is_body_full() const;

    [[nodiscard]] State state() const { return state_; }
    // From the 250 to MAIL to the reply to the message, or reset().
    [[nodiscard]] bool has_mail() const { return incoming_.has_value(); }
    [[nodiscard]] bool is_smtputf8() const {
        return incoming_ && incoming_->envelope.is_smtputf8();
    }
    // While data or a chunk comes: the reply to the message if it is known already.
    [[nodiscard]] std::optional<ServerReply> known_refusal() const;

private:
    // What the driver knows of a transaction's message.
    enum class Phase : std::uint8_t {
        envelope,   // nothing yet
        announced,  // MessageBegins: MessageEnds or MessageAborted is to come
        settled,    // that has come, or the driver has refused the message
    };
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
        std::optional<ServerReply> refusal = {};
    };
    // What is being decided.
    using Question = std::variant<std::monostate, MailArguments, Recipient>;

    [[nodiscard]] bool has_begun() const {
        return incoming_ && incoming_->phase != Phase::envelope;
    }
    // Only in a state in which there is one.
    [[nodiscard]] Incoming& incoming();
    [[nodiscard]] BodyReception& body();
    [[nodiscard]] Chunk& chunk();

    void enter(State state, Instant now);
    [[nodiscard]] Answer conclude(Instant now, std::monostate none, const ServerVerdict& verdict);
    [[nodiscard]] Answer conclude(Instant now, const MailArguments& arguments,
                                  const ServerVerdict& verdict);
    [[nodiscard]] Answer conclude(Instant now, Recipient& recipient, const ServerVerdict& verdict);
    [[nodiscard]] Answer add_recipient(Recipient&& recipient);
    [[nodiscard]] std::optional<ServerReply> refusal_to_begin() const;
    void announce(Instant now);
    [[nodiscard]] Answer enter_chunk(Instant now);
    void feed_chunk(std::string_view& input);
    [[nodiscard]] Answer finish_chunk(Instant now);
    [[nodiscard]] Answer finish_message(Instant now, std::string_view command);
    void finish_transaction(Instant now);
    void abort_if_refused();

    const ServerOptions& options_;
    const KnownClient& client_;
    SessionClock& clock_;
    std::deque<ServerEvent>& events_;

    State state_ = State::command;
    bool has_mail_ended_silence_ = false;  // since the last message: another MAIL does not
    Question question_;                    // while deciding
    std::optional<Incoming> incoming_;
    std::optional<Chunk> chunk_;  // from bdat() to its reply
};

}  // namespace mta::smtp
