#include "mta/report/dsn.h"

#include <algorithm>
#include <array>
#include <span>

#include "mta/base/ascii_address.h"
#include "mta/base/assert.h"
#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/base/time_format.h"
#include "mta/report/delivery_status.h"
#include "mta/report/dsn_text.h"
#include "mta/report/mime.h"
#include "mta/report/original.h"

namespace mta::report {
namespace {

using outbound::RecipientOutcome;
using outbound::ReportRequest;

// Words and fields for all recipients of one report; with the returned part and the header it stays
// below limits::body_inline_bytes_max.
constexpr std::size_t outcome_bytes_max = 60'000;
static_assert(listed_bytes_max < outcome_bytes_max);

struct Sender {
    std::string address;
    std::string domain;  // as in queue::Recipient
};

// Whom to write to; nothing: nobody can be. The address was checked when it came in, and is again
// here, where it goes into a header.
std::optional<Sender> answerable_sender(const std::string& reverse_path) {
    const auto at = reverse_path.rfind('@');
    if (at == reverse_path.npos || at == 0 || at + 1 == reverse_path.size()) return std::nullopt;
    if (reverse_path.size() > limits::address_bytes_max || !is_utf8(reverse_path)) {
        return std::nullopt;
    }
    const bool has_control = std::ranges::any_of(reverse_path, [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '<' || c == '>';
    });
    if (has_control) return std::nullopt;
    const auto domain = std::string_view(reverse_path).substr(at + 1);
    if (domain.starts_with('[')) return Sender{reverse_path, std::string(domain)};
    const auto a_labels = to_a_labels(domain);
    if (!a_labels) return std::nullopt;
    return Sender{in_ascii_if_possible(reverse_path), *a_labels};
}

// RFC 5322 section 3.6.4, one only, as nearly everybody writes it.
bool is_sane_message_id(std::string_view id) {
    return id.size() >= 5 && id.size() <= 255 && id.front() == '<' && id.back() == '>' &&
           std::ranges::count(id, '<') == 1 && std::ranges::count(id, '>') == 1 &&
           std::ranges::count(id, '@') == 1 &&
           std::ranges::all_of(id, [](char c) { return c > ' ' && c < 0x7f; });
}

Part text_part(std::string text) {
    if (is_ascii(text)) {
        return {
            "Content-Type: text/plain; charset=us-ascii\r\n"
            "Content-Transfer-Encoding: 7bit\r\n",
            std::move(text)};
    }
    return {
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n",
        to_quoted_printable(text)};
}

Part status_part(std::string fields, Charset charset) {
    const bool is_8bit = !is_ascii(fields);
    std::string type =
        charset == Charset::utf8 ? "message/global-delivery-status" : "message/delivery-status";
    return {"Content-Type: " + type +
                "\r\nContent-Transfer-Encoding: " + (is_8bit ? "8bit" : "7bit") + "\r\n",
            std::move(fields)};
}

// One that none of the parts has a line with. '=' and '_' side by side are in no quoted-printable
// text, and the id makes it rare in all others.
std::string boundary_for(queue::MessageId id, std::span<const Part> parts) {
    for (std::uint64_t salt = 0;; ++salt) {
        auto boundary = "=_posthouse_" + queue::format_id(id);
        if (salt > 0) boundary += '_' + std::to_string(salt);
        const bool occurs = std::ranges::any_of(parts, [&](const Part& part) {
            return part.content.find("--" + boundary) != part.content.npos;
        });
        if (!occurs) return boundary;
    }
}

std::string header_text(const ReportRequest& request, const Reporter& reporter,
                        const Sender& sender, const std::string& message_id) {
    auto out = fold_field("From", "Mail Delivery System <MAILER-DAEMON@" + reporter.hostname + '>');
    out += fold_field("To", '<' + sender.address + '>');
    out += fold_field("Subject", subject_of(request));
    out += fold_field("Date", format_rfc5322(request.now));
    out += fold_field("Message-ID", message_id);
    if (is_sane_message_id(request.original.message_id)) {
        out += fold_field("In-Reply-To", request.original.message_id);
        out += fold_field("References", request.original.message_id);
    }
    return out + "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";
}

std::string multipart(std::string header, queue::MessageId id, std::span<const Part> parts,
                      Charset charset) {
    const auto boundary = boundary_for(id, parts);
    auto out = std::move(header);
    out += "Content-Type: multipart/report; report-type=";
    out += charset == Charset::utf8 ? "global-delivery-status" : "delivery-status";
    out += ";\r\n boundary=\"" + boundary + "\"\r\n";
    out += "Content-Transfer-Encoding: ";
    const bool is_7bit =
        std::ranges::all_of(parts, [](const Part& part) { return is_ascii(part.content); });
    out += is_7bit ? "7bit\r\n" : "8bit\r\n";
    out += "\r\nThis is a delivery report in MIME format.\r\n";
    for (const auto& part : parts) {
        out += "\r\n--" + boundary + "\r\n" + part.fields + "\r\n" + part.content;
    }
    return out + "\r\n--" + boundary + "--\r\n";
}

// Words and fields about as many of the outcomes as one report holds; takes them off `outcomes`.
struct Accounts {
    std::string text;
    std::string fields;
};
Accounts take_accounts(const ReportRequest& request, std::span<const RecipientOutcome>& outcomes,
                       Charset charset, std::size_t bytes) {
    Accounts accounts;
    while (!outcomes.empty()) {
        const auto text = text_about(request, outcomes.front());
        const auto fields = "\r\n" + per_recipient_fields(request, outcomes.front(), charset);
        bytes += to_quoted_printable(text).size() + fields.size();
        if (bytes > outcome_bytes_max && !accounts.text.empty()) break;
        accounts.text += text;
        accounts.fields += fields;
        outcomes = outcomes.subspan(1);
    }
    return accounts;
}

Charset charset_of(const ReportRequest& request) {
    const bool is_international =
        std::ranges::any_of(request.outcomes, [&](const RecipientOutcome& outcome) {
            return !is_ascii(in_ascii_if_possible(
                request.original.envelope.recipients.at(outcome.recipient).address));
        });
    return is_international ? Charset::utf8 : Charset::ascii;
}

std::shared_ptr<const queue::Message> make_message(const ReportRequest& request,
                                                   const Sender& sender, queue::MessageId id,
                                                   std::string message_id, std::string body) {
    auto message = std::make_shared<queue::Message>();
    message->id = id;
    message->arrival = request.now;
    message->facts = facts_of(body);
    message->envelope.recipients = {{.address = sender.address,
                                     .domain = sender.domain,
                                     .notify = queue::notify_never,
                                     .orcpt = {}}};
    message->envelope.body_type =
        message->facts.has_8bit ? queue::BodyType::eight_bit_mime : queue::BodyType::seven_bit;
    message->envelope.smtputf8 = !is_ascii(sender.address);
    message->message_id = std::move(message_id);
    message->about = request.original.id;
    message->body = std::move(body);
    MTA_ASSERT(message->body.size() <= limits::body_inline_bytes_max);
    return message;
}

}  // namespace

std::vector<std::shared_ptr<const queue::Message>> make_dsns(
    const ReportRequest& request, const Reporter& reporter,
    const std::function<queue::MessageId()>& allocate_id) {
    MTA_ASSERT(!request.outcomes.empty());
    const auto sender = answerable_sender(request.original.envelope.reverse_path);
    if (!sender) return {};
    const auto charset = charset_of(request);
    const auto returned = returned_part(request);
    std::span<const RecipientOutcome> outcomes = request.outcomes;
    std::vector<std::shared_ptr<const queue::Message>> messages;
    while (!outcomes.empty()) {
        const auto id = allocate_id();
        auto message_id = '<' + queue::format_id(id) + ".report@" + reporter.hostname + '>';
        // The first report tells of the sender's other messages.
        const auto others = messages.empty() ? text_about_others(request) : std::string();
        auto accounts =
            take_accounts(request, outcomes, charset, to_quoted_printable(others).size());
        const std::array parts = {
            text_part(text_beginning(request, reporter) + accounts.text + others +
                      text_end(request, reporter)),
            status_part(per_message_fields(request, reporter.hostname, charset) + accounts.fields,
                        charset),
            returned};
        auto body =
            multipart(header_text(request, reporter, *sender, message_id), id, parts, charset);
        messages.push_back(
            make_message(request, *sender, id, std::move(message_id), std::move(body)));
    }
    return messages;
}

}  // namespace mta::report
