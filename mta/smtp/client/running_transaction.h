#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/diagnosis/reply_policy.h"
#include "mta/smtp/client/client_event.h"
#include "mta/smtp/client/client_transaction.h"
#include "mta/smtp/client/pipeline.h"
#include "mta/smtp/client/session_break.h"
#include "mta/smtp/syntax/capabilities.h"
#include "mta/smtp/syntax/dot_stuffing.h"
#include "mta/smtp/syntax/reply.h"

namespace mta::smtp {

// One transaction under way in a session, from its first command to its last reply. Two things go
// on, which meet at the body:
//
//   what is to be said   [rset ->] mail -> rcpt -> data -> none
//   the body             waiting -> complete             in memory, with BDAT or after 354
//                        waiting -> pulling -> complete  from the caller, piece by piece
//                        waiting, pulling -> dropped     refused, or no recipient is left
//
// It is over when nothing is to be said, no reply is awaited and the body is complete or dropped. A
// transaction that the server cannot take is over from the start.
//
// The commands go into the session's Pipeline, as far as that lets them; the replies come from
// there. Sans-IO.
class RunningTransaction {
public:
    RunningTransaction(TransactionNumber number, Transaction&& transaction,
                       const Capabilities& capabilities, Instant now);

    // Says the first commands; only if it is not over. `needs_reset`: the server may still be in
    // the middle of another transaction.
    void begin(bool needs_reset, Pipeline& pipeline);
    // Says what may be said next; to be called after each reply.
    void advance(Pipeline& pipeline);
    // The next piece, while is_pulling().
    void append_body(std::string_view piece, bool is_last, Pipeline& pipeline);

    // What the session knows when a reply comes.
    struct Circumstances {
        bool is_all_sent = true;  // the connection has taken all bytes of the output
        bool is_alone = true;     // no transaction was started behind this one
    };
    // The reply to the pipeline's front, which stays in front until the reply has been dealt with.
    // Returns why the session cannot go on, if it cannot.
    [[nodiscard]] std::optional<SessionBreak> on_reply(const Reply& reply,
                                                       Circumstances circumstances,
                                                       Pipeline& pipeline);
    // A reply that leads no further, because the session is over.
    void count_answer() { ++answers_; }

    // For the recipients that have no error yet.
    void refuse_rest(const DeliveryError& error);
    // The session broke in the middle of it: the recipients without an answer get the break as
    // theirs, and `ended` names them.
    void break_off(DeliveryError error, const Pipeline& pipeline, TransactionEnded& ended);
    // Adds to `ended` all that the session does not know. The object has no further use.
    void conclude(const std::string& remote, const Pipeline& pipeline, TransactionEnded& ended);

    [[nodiscard]] TransactionNumber number() const { return number_; }
    [[nodiscard]] bool is_over() const;
    [[nodiscard]] bool is_pulling() const { return body_ == Body::pulling; }
    // The whole body is in the output.
    [[nodiscard]] bool is_body_complete() const { return body_ == Body::complete; }
    [[nodiscard]] bool uses_bdat() const { return plan_.uses_bdat; }
    // The server is in the middle of it: RSET has to come before the next MAIL.
    [[nodiscard]] bool has_open_mail() const { return has_open_mail_; }
    [[nodiscard]] std::size_t replies_awaited() const { return replies_awaited_; }
    // Without that to RSET.
    [[nodiscard]] std::uint32_t answers() const { return answers_; }

    // Some recipient may have been accepted, and the whole body has left. A server that has closed
    // in order had sent all that it had to send: with an earlier command unanswered it has not come
    // to the body.
    [[nodiscard]] bool is_in_doubt(const Pipeline& pipeline, bool is_closed_in_order = false) const;
    // The command or the body whose reply it waits for.
    [[nodiscard]] Stage stage(const Pipeline& pipeline, bool is_closed_in_order = false) const;

private:
    enum class Step : std::uint8_t { rset, mail, rcpt, data, none };
    enum class Body : std::uint8_t { waiting, pulling, complete, dropped };

    [[nodiscard]] bool may_say_next(const Pipeline& pipeline) const;
    void say_next(Pipeline& pipeline);
    void say(Question question, std::string_view command, Pipeline& pipeline);
    void say_recipient(Pipeline& pipeline);
    void say_data(Pipeline& pipeline);

    [[nodiscard]] std::optional<SessionBreak> dispatch(const Reply& reply,
                                                       Circumstances circumstances,
                                                       Pipeline& pipeline);
    [[nodiscard]] std::optional<SessionBreak> on_rset_reply(const Reply& reply,
                                                            const Pipeline& pipeline);
    [[nodiscard]] std::optional<SessionBreak> on_mail_reply(const Reply& reply);
    [[nodiscard]] std::optional<SessionBreak> on_rcpt_reply(const Reply& reply,
                                                            std::size_t recipient);
    [[nodiscard]] std::optional<SessionBreak> on_data_reply(const Reply& reply, Pipeline& pipeline);
    [[nodiscard]] std::optional<SessionBreak> on_body_reply(const Reply& reply, bool is_last,
                                                            Circumstances circumstances);
    [[nodiscard]] std::optional<SessionBreak> on_body_refused(const Reply& reply,
                                                              Circumstances circumstances);

    TransactionNumber number_;
    Transaction transaction_;
    TransactionPlan plan_;
    std::vector<std::optional<DeliveryError>> errors_;  // one for each recipient
    BodyEncoder encoder_{BodyEncoding::dot_stuffed};
    Step step_ = Step::none;
    Body body_ = Body::waiting;
    std::size_t next_recipient_ = 0;
    std::size_t recipients_asked_ = 0;
    std::size_t recipients_answered_ = 0;
    std::size_t recipients_accepted_ = 0;
    std::size_t replies_awaited_ = 0;
    std::uint32_t answers_ = 0;
    bool is_refused_ = false;  // by MAIL, or its body by the reply to a piece of it
    bool has_open_mail_ = false;
    bool is_reset_refused_ = false;  // and yet the body has left: the reply to MAIL decides
    Reply final_reply_;
};

}  // namespace mta::smtp
