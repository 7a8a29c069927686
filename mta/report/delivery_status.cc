#include "mta/report/delivery_status.h"

#include <algorithm>

#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/base/mail_address.h"
#include "mta/base/time_format.h"
#include "mta/smtp/syntax/xtext.h"

namespace mta::report {
namespace {

using outbound::ReportKind;

constexpr std::size_t quoted_reply_bytes_max = 4096;

std::string_view action_of(ReportKind kind) {
    switch (kind) {
        case ReportKind::failure: return "failed";
        case ReportKind::delay: return "delayed";
        case ReportKind::relayed: return "relayed";
    }
    return "failed";
}

// RFC 3464 section 2.3.4: the class agrees with the action, even if that of the last reply did not.
EnhancedStatus status_of(const outbound::ReportRequest& request,
                         const outbound::RecipientOutcome& outcome) {
    auto status = outcome.error.status;
    switch (request.kind) {
        case ReportKind::failure:
            // 4.7 is "delivery time expired". A more precise detail of the last reply is kept.
            if (outcome.has_expired && status.subject == 0) return {5, 4, 7};
            status.klass = 5;
            return status;
        case ReportKind::delay: status.klass = 4; return status;
        case ReportKind::relayed: status.klass = 2; return status;
    }
    return status;
}

// A field whose value has an address: not folded, since blanks within quotes are part of it.
std::string address_field(std::string_view name, const std::string& value) {
    constexpr std::size_t line_bytes_max = 998;
    if (name.size() + 2 + value.size() > line_bytes_max) return fold_field(name, value);
    return std::string(name) + ": " + value + "\r\n";
}

// RFC 6533 section 3: of the forms of an address in UTF-8, utf-8-addr-xtext is the one that may
// stand in a 7-bit message/delivery-status.
std::string utf8_address(std::string_view address) {
    return "utf-8; " + smtp::encode_utf8_address(to_one_line(address, Charset::utf8));
}

std::string final_recipient(std::string_view address) {
    const auto written = in_ascii_if_possible(std::string(address));
    if (is_ascii(written) || !is_utf8(written))
        return "rfc822; " + to_one_line(written, Charset::ascii);
    return utf8_address(written);
}

// ORCPT's "type;xtext" as a field's value (RFC 3464 section 2.3.1: decoded).
std::string original_recipient(std::string_view orcpt) {
    const auto semicolon = orcpt.find(';');
    if (semicolon == orcpt.npos) return {};
    const auto type = to_one_line(orcpt.substr(0, semicolon), Charset::ascii);
    const auto value = orcpt.substr(semicolon + 1);
    if (equals_ignoring_case(type, "utf-8")) {
        if (const auto address = smtp::decode_utf8_address(value, true))
            return utf8_address(*address);
    }
    return type + "; " + to_one_line(from_xtext(value), Charset::ascii);
}

// "mx1.them.example [192.0.2.1]:25" -> "dns; mx1.them.example"; an address alone is a literal.
std::string remote_mta(std::string_view remote) {
    const auto name =
        remote.substr(0, std::min<std::size_t>(remote.find(' '), limits::domain_bytes_max));
    return "dns; " + to_one_line(name, Charset::ascii);
}

}  // namespace

std::vector<std::string> quoted_reply(const DeliveryError& error, Charset charset) {
    std::vector<std::string> lines;
    if (error.reply_code == 0) return lines;
    std::string_view text = error.text;
    const bool is_cut = text.size() > quoted_reply_bytes_max;
    if (is_cut) {
        auto bytes = quoted_reply_bytes_max;
        while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
        text = text.substr(0, bytes);
    }
    const auto code = std::to_string(error.reply_code);
    do {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = to_one_line(text.substr(0, end), charset);
        line.erase(line.find_last_not_of(' ') + 1);
        lines.push_back(std::move(line));
        text.remove_prefix(std::min(end + 1, text.size()));
    } while (!text.empty() && lines.size() < limits::reply_lines_max);
    if (is_cut || !text.empty()) lines.emplace_back("[...]");
    for (auto& line : lines) {
        const bool is_last = &line == &lines.back();
        line.insert(0, 1, is_last ? ' ' : '-');
        line.insert(0, code);
    }
    if (lines.back().ends_with(' ')) lines.back().pop_back();  // "250" alone
    return lines;
}

std::string per_message_fields(const outbound::ReportRequest& request, std::string_view hostname) {
    const auto& envelope = request.original.envelope;
    auto out = fold_field("Reporting-MTA", "dns; " + std::string(hostname));
    if (!envelope.envid.empty()) {
        out += fold_field("Original-Envelope-Id",
                          to_one_line(from_xtext(envelope.envid), Charset::ascii));
    }
    out += fold_field("Arrival-Date", format_rfc5322(request.original.arrival));
    const auto& requests = envelope.requests;
    // RFC 2852 section 5, RFC 4865 section 6.
    if (requests.deliver_by.mode != ByMode::none)
        out += fold_field("Deliver-By-Date", format_rfc5322(requests.deliver_by.at));
    if (requests.release != Instant{})
        out += fold_field("Future-Release-Request", "until;" + format_rfc3339(requests.release));
    return out;
}

std::string per_recipient_fields(const outbound::ReportRequest& request,
                                 const outbound::RecipientOutcome& outcome) {
    const auto& recipient = request.original.envelope.recipients.at(outcome.recipient);
    std::string out;
    const auto original = original_recipient(recipient.orcpt);
    if (!original.empty()) out += address_field("Original-Recipient", original);
    out += address_field("Final-Recipient", final_recipient(recipient.address));
    out += fold_field("Action", action_of(request.kind));
    out += fold_field("Status", to_string(status_of(request, outcome)));
    if (!outcome.error.remote.empty()) {
        out += fold_field("Remote-MTA", remote_mta(outcome.error.remote));
    }
    std::string diagnostic;
    for (const auto& line : quoted_reply(outcome.error, Charset::ascii)) {
        diagnostic += (diagnostic.empty() ? "smtp; " : "\n") + line;
    }
    if (!diagnostic.empty()) out += fold_field("Diagnostic-Code", diagnostic);
    if (outcome.last_attempt != Instant{}) {
        out += fold_field("Last-Attempt-Date", format_rfc5322(outcome.last_attempt));
    }
    if (request.kind == ReportKind::delay) {
        out += fold_field("Will-Retry-Until", format_rfc5322(request.give_up_at));
    }
    return out;
}

}  // namespace mta::report
