#pragma once
#include <optional>
#include <string>
#include <variant>

#include "mta/base/outcome.h"
#include "mta/diagnosis/reply_policy.h"
#include "mta/smtp/syntax/reply.h"
#include "mta/smtp/syntax/reply_parser.h"

namespace mta::smtp {

// Why a session that was ready cannot go on.
struct SessionBreak {
    struct Loss {
        std::string reason;  // the system's; empty for an orderly close
    };
    struct Timeout {};
    struct Nonsense {
        ReplyError error{};
    };
    // The server refused, with a reply of 4xx or 5xx.
    struct Refusal {
        Reply reply;
        // The command that the refusal counts for, if that is not the one that was answered.
        std::optional<Stage> stage = std::nullopt;
    };
    // A reply that nothing had asked for, or that the command has no use for.
    struct Unexpected {
        Reply reply;
    };

    std::variant<Loss, Timeout, Nonsense, Refusal, Unexpected> cause;
    // The server has refused all that is outstanding: no message is in doubt.
    bool is_refusal = false;
    // An idle connection may end this way, too.
    bool may_be_stale = false;
    // The dialogue is in step: QUIT may still be said.
    bool is_in_step = false;
    bool chunking_refused = false;
    // No command of the first transaction under way was said, and it needs another connection.
    bool needs_new_connection = false;
    // The server has closed in order: it had sent all that it had to send.
    bool is_closed_in_order = false;

    [[nodiscard]] bool is_timeout() const { return std::holds_alternative<Timeout>(cause); }
    // The error for the command under way; its `remote` is empty.
    [[nodiscard]] DeliveryError error_at(Stage stage) const;
};

}  // namespace mta::smtp
