#include "mta/smtp/client/client_transaction.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/base/mail_address.h"
#include "mta/base/time_format.h"

namespace mta::smtp {
namespace {

DeliveryError local_error(EnhancedStatus status, Scope scope, std::string text) {
    return {.status = status, .scope = scope, .text = std::move(text)};
}

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
}

// Whether the address can stand between '<' and '>' without ending the parameter or beginning
// another one. Its syntax beyond that was checked when the message was received.
bool is_writable_address(std::string_view address) {
    if (address.size() > limits::address_bytes_max || !is_utf8(address)) return false;
    bool in_quotes = false;
    bool is_escaped = false;
    for (const char c : address) {
        if (is_control(c)) return false;
        if (is_escaped) {
            is_escaped = false;
        } else if (in_quotes && c == '\\') {
            is_escaped = true;
        } else if (c == '"') {
            in_quotes = !in_quotes;
        } else if (!in_quotes && (c == ' ' || c == '<' || c == '>')) {
            return false;
        }
    }
    return !in_quotes;
}

// A parameter's value: printable without spaces.
bool is_writable_value(std::string_view value) {
    return value.size() <= limits::command_line_bytes_max / 2 && is_utf8(value) &&
           std::ranges::none_of(value, [](char c) { return c == ' ' || is_control(c); });
}

void append_number(std::string& out, std::uint64_t number) {
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

std::string notify_value(std::uint8_t notify) {
    if ((notify & notify_never) != 0) return "NEVER";
    static constexpr std::pair<std::uint8_t, std::string_view> names[] = {
        {notify_success, "SUCCESS"}, {notify_failure, "FAILURE"}, {notify_delay, "DELAY"}};
    std::string value;
    for (const auto& [bit, name] : names) {
        if ((notify & bit) == 0) continue;
        if (!value.empty()) value += ',';
        value += name;
    }
    return value;
}

// RFC 6533 section 3: for a server without SMTPUTF8 each character of a utf-8 address that is not
// ASCII is written as \x{...}.
std::string orcpt_in_ascii(std::string_view orcpt) {
    std::string out;
    for (std::size_t i = 0; i < orcpt.size();) {
        const auto first = static_cast<unsigned char>(orcpt[i]);
        if (first < 0x80) {
            out += orcpt[i++];
            continue;
        }
        const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        std::uint32_t code_point = first & (0xffu >> (length + 1));
        for (std::size_t k = 1; k < length; ++k) {
            code_point = code_point << 6 | (static_cast<unsigned char>(orcpt[i + k]) & 0x3fu);
        }
        i += length;
        char digits[8];
        const auto* const end = std::to_chars(digits, digits + sizeof digits, code_point, 16).ptr;
        out += "\\x{";
        std::transform(digits, const_cast<char*>(end), std::back_inserter(out),
                       [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
        out += '}';
    }
    return out;
}

class Planner {
public:
    Planner(const Transaction& transaction, const Capabilities& capabilities, Instant now)
        : envelope_(transaction.envelope),
          facts_(transaction.facts),
          capabilities_(capabilities),
          now_(now),
          reverse_path_(in_ascii_if_possible(envelope_.reverse_path)),
          says_smtputf8_(capabilities.smtputf8 && wants_smtputf8()) {}

    [[nodiscard]] TransactionPlan plan() const {
        TransactionPlan plan;
        plan.error = obstacle();
        if (plan.error) return plan;
        plan.uses_bdat = capabilities_.chunking;
        if (plan.uses_bdat) {
            plan.encoding = is_binary() ? BodyEncoding::raw : BodyEncoding::lines;
        }
        plan.passes_dsn_on = capabilities_.dsn;
        plan.passes_deliver_by_on = passes_deliver_by_on();
        plan.mail = mail_command();
        plan.recipients.reserve(envelope_.recipients.size());
        for (const auto& recipient : envelope_.recipients) {
            plan.recipients.push_back(rcpt_command(recipient));
        }
        return plan;
    }

    [[nodiscard]] Conversion conversion() const {
        if (message_needs_smtputf8() && !capabilities_.smtputf8) return Conversion::impossible;
        const bool takes_binary = capabilities_.binary_mime && capabilities_.chunking;
        const bool takes_8bit = capabilities_.eight_bit_mime || says_smtputf8_;
        if (is_binary() ? takes_binary : takes_8bit || !facts_.has_8bit)
            return Conversion::not_needed;
        return facts_.header_has_8bit ? Conversion::impossible : Conversion::possible;
    }

private:
    [[nodiscard]] bool is_binary() const { return envelope_.body_type == BodyType::binary_mime; }
    [[nodiscard]] bool message_needs_smtputf8() const {
        return !is_ascii(reverse_path_) || (envelope_.smtputf8 && facts_.header_has_8bit);
    }
    // A message that was received with SMTPUTF8 and has 8-bit bytes may have UTF-8 in the header of
    // a MIME part: the parameter is passed on where the server offers it.
    [[nodiscard]] bool wants_smtputf8() const {
        if (message_needs_smtputf8() || (envelope_.smtputf8 && facts_.has_8bit)) return true;
        return std::ranges::any_of(envelope_.recipients, [](const Recipient& recipient) {
            return !is_ascii(recipient.address) &&
                   !is_ascii(in_ascii_if_possible(recipient.address));
        });
    }

    [[nodiscard]] std::optional<DeliveryError> obstacle() const {
        if (!is_writable_address(reverse_path_)) {
            return local_error({5, 1, 7}, Scope::message,
                               "the sender's address has characters that cannot be sent");
        }
        if (!is_writable_value(envelope_.envid)) {
            return local_error({5, 5, 4}, Scope::message,
                               "the envelope id (ENVID) has characters that cannot be sent");
        }
        if (auto missing = missing_keyword()) return missing;
        if (capabilities_.size_bytes_max != 0 && facts_.size > capabilities_.size_bytes_max) {
            return local_error({5, 3, 4}, Scope::message,
                               "the message has " + format_size(facts_.size) +
                                   "; the recipient's mail server takes at most " +
                                   format_size(capabilities_.size_bytes_max));
        }
        return obstacle_of_deliver_by();
    }

    // Another host of the destination may offer the keyword, and this one may offer it later: a
    // greylisting front end (spamd) answers EHLO with one line. So the class is 4, and the scope is
    // the message.
    [[nodiscard]] std::optional<DeliveryError> missing_keyword() const {
        const auto conversion = this->conversion();
        if (conversion == Conversion::not_needed) return std::nullopt;
        if (message_needs_smtputf8() && !capabilities_.smtputf8) {
            return local_error({4, 6, 7}, Scope::message,
                               "the message has international (UTF-8) addresses, which the "
                               "recipient's mail server does not support (no SMTPUTF8)");
        }
        std::string text = is_binary() ? "the message is binary, which the recipient's mail server "
                                         "does not support (no BINARYMIME)"
                                       : "the message has characters that are not ASCII, which the "
                                         "recipient's mail server does not support (no 8BITMIME)";
        if (conversion == Conversion::possible)
            text += "; sent in quoted-printable or base64 it can be delivered";
        const std::uint16_t detail = is_binary() ? 1 : 3;
        return local_error({4, 6, detail}, Scope::message, std::move(text));
    }

    [[nodiscard]] std::optional<DeliveryError> obstacle_of_deliver_by() const {
        if (envelope_.requests.deliver_by.mode != ByMode::give_back) return std::nullopt;
        constexpr EnhancedStatus too_late{5, 4, 7};
        if (seconds_left() <= 0) {
            return local_error(too_late, Scope::message,
                               "the time that the sender gave for the delivery is over");
        }
        if (!capabilities_.deliver_by) {
            return local_error(too_late, Scope::message,
                               "the sender gave a time for the delivery, which the recipient's "
                               "mail server does not promise to keep (no DELIVERBY)");
        }
        if (std::cmp_less(seconds_left(), capabilities_.deliver_by_min_s)) {
            return local_error(
                too_late, Scope::message,
                "of the time that the sender gave for the delivery " +
                    std::to_string(seconds_left()) +
                    " seconds are left, and the recipient's mail server wants at least " +
                    std::to_string(capabilities_.deliver_by_min_s));
        }
        return std::nullopt;
    }
    [[nodiscard]] bool passes_deliver_by_on() const {
        return capabilities_.deliver_by && envelope_.requests.deliver_by.mode != ByMode::none;
    }
    // Whole seconds, negative if the time is over (RFC 2852 section 4.2).
    [[nodiscard]] std::int64_t seconds_left() const {
        constexpr std::int64_t by_time_max = 999'999'999;
        const auto left =
            std::chrono::floor<std::chrono::seconds>(envelope_.requests.deliver_by.at - now_);
        return std::clamp<std::int64_t>(left.count(), -by_time_max, by_time_max);
    }
    [[nodiscard]] std::string by_value() const {
        const auto& by = envelope_.requests.deliver_by;
        return std::to_string(seconds_left()) + (by.mode == ByMode::give_back ? ";R" : ";N") +
               (by.trace ? "T" : "");
    }

    [[nodiscard]] std::string mail_command() const {
        std::string out = "MAIL FROM:<" + reverse_path_ + '>';
        if (capabilities_.size) {
            out += " SIZE=";
            append_number(out, facts_.size);
        }
        if (is_binary()) {
            out += " BODY=BINARYMIME";
        } else if (facts_.has_8bit && capabilities_.eight_bit_mime) {
            out += " BODY=8BITMIME";
        }
        if (says_smtputf8_) out += " SMTPUTF8";
        if (capabilities_.dsn) {
            if (envelope_.ret == Ret::full) out += " RET=FULL";
            if (envelope_.ret == Ret::headers) out += " RET=HDRS";
            if (!envelope_.envid.empty()) out += " ENVID=" + envelope_.envid;
        }
        const auto priority = envelope_.requests.priority;
        if (capabilities_.mt_priority && priority != 0) {
            out += " MT-PRIORITY=" + std::to_string(priority);
        }
        if (passes_deliver_by_on()) out += " BY=" + by_value();
        return out += "\r\n";
    }

    [[nodiscard]] Result<std::string> rcpt_command(const Recipient& recipient) const {
        const auto address = in_ascii_if_possible(recipient.address);
        if (address.empty() || !is_writable_address(address)) {
            return std::unexpected(
                local_error({5, 1, 3}, Scope::recipient,
                            "the recipient's address has characters that cannot be sent"));
        }
        if (!is_writable_value(recipient.orcpt)) {
            return std::unexpected(
                local_error({5, 5, 4}, Scope::recipient,
                            "the original recipient (ORCPT) has characters that cannot be sent"));
        }
        if (!is_ascii(address) && !capabilities_.smtputf8) {
            return std::unexpected(
                local_error({4, 6, 7}, Scope::message,
                            "the address is international (UTF-8), which the recipient's mail "
                            "server does not support (no SMTPUTF8)"));
        }
        std::string out = "RCPT TO:<" + address + '>';
        if (capabilities_.dsn) {
            if (recipient.notify != notify_unspecified) {
                out += " NOTIFY=" + notify_value(recipient.notify);
            }
            if (!recipient.orcpt.empty()) {
                out += " ORCPT=";
                out += says_smtputf8_ ? recipient.orcpt : orcpt_in_ascii(recipient.orcpt);
            }
        }
        return out += "\r\n";
    }

    const Envelope& envelope_;
    const BodyFacts& facts_;
    const Capabilities& capabilities_;
    Instant now_;
    std::string reverse_path_;
    bool says_smtputf8_;
};

}  // namespace

TransactionPlan plan_transaction(const Transaction& transaction, const Capabilities& capabilities,
                                 Instant now) {
    MTA_ASSERT(!transaction.envelope.recipients.empty());
    return Planner(transaction, capabilities, now).plan();
}

Conversion conversion_for(const Transaction& transaction, const Capabilities& capabilities) {
    return Planner(transaction, capabilities, Instant{}).conversion();
}

}  // namespace mta::smtp
