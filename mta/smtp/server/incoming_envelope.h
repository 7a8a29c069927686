#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "mta/base/envelope.h"
#include "mta/base/recipient_list.h"
#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// The envelope of a message while MAIL and RCPT give it, with the limits on recipients.
class IncomingEnvelope {
public:
    enum class Rcpt : std::uint8_t {
        taken,
        // Beyond `recipients_max`: the client sends the rest with the next message (RFC 5321
        // section 4.5.3.1.10).
        put_off,
        put_off_again,  // put off, and not as the first one
        // Named again, or put off, limits::excess_recipients_max times.
        repeated_too_often,
        put_off_too_often,
    };

    IncomingEnvelope(const MailArguments& arguments, const Requests& requests);

    [[nodiscard]] Rcpt add(Recipient recipient, std::uint32_t recipients_max);
    // A recipient was refused. If none is accepted, the reply to DATA says so.
    void set_recipient_refused() { has_refused_recipients_ = true; }
    // Why a message cannot begin; no value if it can.
    [[nodiscard]] std::optional<ServerReply> refusal_to_begin() const;
    // To be called once, when the message begins.
    [[nodiscard]] Envelope take_envelope();

    [[nodiscard]] const std::optional<std::uint64_t>& declared_size() const {
        return declared_size_;
    }
    [[nodiscard]] bool is_smtputf8() const { return envelope_.smtputf8; }
    [[nodiscard]] std::int8_t priority() const { return envelope_.requests.priority; }
    // The client asked for a higher priority.
    [[nodiscard]] bool is_priority_lowered() const { return is_priority_lowered_; }
    // The recipient if there is only one, otherwise empty. Valid after take_envelope().
    [[nodiscard]] const std::string& only_recipient() const { return only_recipient_; }

private:
    Envelope envelope_;
    RecipientList recipients_;
    std::optional<std::uint64_t> declared_size_;
    std::string only_recipient_;
    bool is_priority_lowered_ = false;
    bool has_refused_recipients_ = false;
    std::uint32_t put_off_ = 0;
    std::uint32_t repeated_ = 0;
};

}  // namespace mta::smtp
