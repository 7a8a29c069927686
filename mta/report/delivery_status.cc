#include "mta/report/delivery_status.h"

#include <algorithm>
#include <charconv>

#include "mta/base/ascii_address.h"
#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/base/time_format.h"

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

// RFC 3464 section 2.3.4: the class agrees with the action, whatever the host's last word was.
EnhancedStatus status_of(const outbound::ReportRequest& request,
                         const outbound::RecipientOutcome& outcome) {
    auto status = outcome.error.status;
    switch (request.kind) {
        case ReportKind::failure:
            // 4.7: delivery time expired; a more telling detail of the last answer is kept.
            if (outcome.has_expired && status.subject == 0) return {5, 4, 7};
            status.klass = 5;
            return status;
        case ReportKind::delay: status.klass = 4; return status;
        case ReportKind::relayed: status.klass = 2; return status;
    }
    return status;
}

std::string address_in(std::string_view address, Charset charset) {
    const auto written = in_ascii_if_possible(address);
    return (is_ascii(written) ? "rfc822; " : "utf-8; ") + to_one_line(written, charset);
}

void append_utf8(std::string& out, std::uint32_t code_point) {
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code_point < 0x80) return put(code_point);
    if (code_point < 0x800) {
        put(0xc0 | code_point >> 6);
    } else if (code_point < 0x10000) {
        put(0xe0 | code_point >> 12);
        put(0x80 | (code_point >> 6 & 0x3f));
    } else {
        put(0xf0 | code_point >> 18);
        put(0x80 | (code_point >> 12 & 0x3f));
        put(0x80 | (code_point >> 6 & 0x3f));
    }
    put(0x80 | (code_point & 0x3f));
}

// `\x{e9}` of RFC 6533 section 3 into UTF-8; anything else stays as it is.
std::string from_unitext(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto close = text.find('}');
        if (text.starts_with("\\x{") && close != text.npos && close <= 9) {
            std::uint32_t code_point = 0;
            const auto* const end = text.data() + close;
            const auto parsed = std::from_chars(text.data() + 3, end, code_point, 16);
            if (parsed.ec == std::errc{} && parsed.ptr == end && code_point <= 0x10ffff) {
                append_utf8(out, code_point);
                text.remove_prefix(close + 1);
                continue;
            }
        }
        out += text.front();
        text.remove_prefix(1);
    }
    return is_utf8(out) ? out : std::string();
}

// ORCPT's "type;xtext" as a field's value (RFC 3464 section 2.3.1: decoded).
std::string original_recipient(std::string_view orcpt, Charset charset) {
    const auto semicolon = orcpt.find(';');
    if (semicolon == orcpt.npos) return {};
    const auto type = to_one_line(orcpt.substr(0, semicolon), Charset::ascii);
    auto address = from_xtext(orcpt.substr(semicolon + 1));
    if (charset == Charset::utf8 && equals_ignoring_case(type, "utf-8")) {
        const auto decoded = from_unitext(address);
        if (!decoded.empty()) address = decoded;
    }
    return type + "; " + to_one_line(address, charset);
}

// "mx1.them.example [192.0.2.1]:25" -> "dns; mx1.them.example"; an address alone is a literal.
std::string remote_mta(std::string_view remote, Charset charset) {
    const auto name =
        remote.substr(0, std::min<std::size_t>(remote.find(' '), limits::domain_bytes_max));
    return "dns; " + to_one_line(name, charset);
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

std::string per_message_fields(const outbound::ReportRequest& request, std::string_view hostname,
                               Charset charset) {
    const auto& envelope = request.original.envelope;
    auto out = fold_field("Reporting-MTA", "dns; " + std::string(hostname));
    if (!envelope.envid.empty()) {
        out += fold_field("Original-Envelope-Id", to_one_line(from_xtext(envelope.envid), charset));
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
                                 const outbound::RecipientOutcome& outcome, Charset charset) {
    const auto& recipient = request.original.envelope.recipients.at(outcome.recipient);
    std::string out;
    const auto original = original_recipient(recipient.orcpt, charset);
    if (!original.empty()) out += fold_field("Original-Recipient", original);
    out += fold_field("Final-Recipient", address_in(recipient.address, charset));
    out += fold_field("Action", action_of(request.kind));
    out += fold_field("Status", to_string(status_of(request, outcome)));
    if (!outcome.error.remote.empty()) {
        out += fold_field("Remote-MTA", remote_mta(outcome.error.remote, charset));
    }
    std::string diagnostic;
    for (const auto& line : quoted_reply(outcome.error, charset)) {
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
