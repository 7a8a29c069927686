#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/time.h"
#include "mta/smtp/client/client_options.h"
#include "mta/smtp/client/client_transaction.h"

namespace mta::smtp {

// A command of a transaction, as far as its reply is concerned.
enum class Question : std::uint8_t {
    rset,
    mail,
    rcpt,
    data,
    chunk,  // BDAT that is not the last
    body,   // the final dot, or BDAT LAST
};
// How long the reply to it may take.
[[nodiscard]] Millis timeout_of(const ClientTimeouts& timeouts, Question question);

struct AwaitedReply {
    Question question{};
    TransactionNumber transaction = 0;
    std::size_t recipient = 0;  // of RCPT: its place in the envelope
};

// The commands of a session's transactions that have been said, and the replies to them that are
// still to come, in order (RFC 2920). Without PIPELINING one at a time.
//
// A command is *asked* when take_output() has handed it out: a reply that comes before that answers
// something else.
class Pipeline {
public:
    explicit Pipeline(bool is_pipelining = false) : is_pipelining_(is_pipelining) {}

    [[nodiscard]] bool is_pipelining() const { return is_pipelining_; }
    [[nodiscard]] bool may_say_next() const { return is_pipelining_ || awaited_.empty(); }

    // `command` ends in CRLF; empty for a reply to what is in the output already.
    void say(AwaitedReply awaited, std::string_view command);
    // For the bytes of a body.
    [[nodiscard]] std::string& output() { return output_; }
    [[nodiscard]] std::string take_output();

    [[nodiscard]] bool is_empty() const { return awaited_.empty(); }
    // The next reply; only if there is one.
    [[nodiscard]] const AwaitedReply& front() const { return awaited_.front(); }
    // How many of the awaited replies belong to commands that are asked.
    [[nodiscard]] std::size_t asked() const { return asked_; }
    // The next reply has come, and has been dealt with.
    void pop();
    // No reply counts any more; `last_words` take the place of the output.
    void close(std::string_view last_words);

    // The first question of the transaction without a reply, and the first of those that are asked.
    [[nodiscard]] std::optional<Question> first_of(TransactionNumber transaction) const;
    [[nodiscard]] std::optional<Question> first_asked_of(TransactionNumber transaction) const;
    [[nodiscard]] bool has_asked(TransactionNumber transaction, Question question) const;
    // The recipients whose RCPT was said and has no reply yet.
    [[nodiscard]] std::vector<std::size_t> recipients_awaited(TransactionNumber transaction) const;

private:
    bool is_pipelining_;
    std::deque<AwaitedReply> awaited_;
    std::size_t asked_ = 0;
    std::string output_;
};

}  // namespace mta::smtp
