#pragma once
#include <expected>
#include <optional>
#include <string>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/diagnosis/reply_policy.h"
#include "mta/smtp/client/client_options.h"
#include "mta/smtp/syntax/capabilities.h"
#include "mta/smtp/syntax/reply.h"

namespace mta::smtp {

// What the client says before its first transaction, one command at a time:
//
//   state     reply 2xx        reply 5xx   any other reply    421, or a reply before the command
//   -------------------------------------------------------------------------------------------
//   greeting  -> ehlo (helo)   failed      failed             failed, out of step
//   ehlo      -> done          -> helo     failed             failed, out of step
//   helo      -> done          failed      failed             failed, out of step
//
// With ClientOptions::ehlo off the greeting leads to helo. A failure is always the host's
// (Scope::host), and never permanent.
//
// Sans-IO. The owner sends take_output(), gives each reply to on_reply(), and waits for a reply no
// longer than timeout(). After a result the object has no further use.
//
// STARTTLS and AUTH get their states between ehlo and done, LHLO one beside ehlo.
class Hello {
public:
    struct Failure {
        DeliveryError error;  // `remote` is empty
        // The dialogue is in step: QUIT may still be said.
        bool may_quit = false;
    };
    // What the server offers, without ClientOptions::without.
    using Result = std::expected<Capabilities, Failure>;

    // `options` must outlive it.
    explicit Hello(const ClientOptions& options) : options_(options) {}

    // The next command, if there is one; its reply may be given to on_reply() from now on.
    [[nodiscard]] std::string take_output();
    // Returns the result, or no value while there is another command to send.
    [[nodiscard]] std::optional<Result> on_reply(const Reply& reply);
    // The same for a reply that broke off (ReplyParser::take_cut()). Only a refusal counts: after
    // any other reply the owner reports why the reply broke off.
    [[nodiscard]] std::optional<Failure> on_cut_reply(const Reply& reply) const;

    // The command whose reply is awaited.
    [[nodiscard]] Stage stage() const;
    [[nodiscard]] Millis timeout() const;

private:
    enum class State : std::uint8_t { greeting, ehlo, helo };

    void say(State command);
    [[nodiscard]] Failure out_of_step(const Reply& reply) const;

    const ClientOptions& options_;
    State state_ = State::greeting;
    std::string output_;
};

}  // namespace mta::smtp
