#include "mta/report/dsn.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "mta/base/assert.h"
#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/base/mail_address.h"
#include "mta/base/time_format.h"
#include "mta/report/delivery_status.h"
#include "mta/report/dsn_text.h"
#include "mta/report/mime.h"
#include "mta/report/original.h"
#include "mta/smtp/syntax/address.h"

namespace mta::report {
namespace {

using outbound::RecipientOutcome;
using outbound::ReportRequest;

// Room for the header, the beginning and the end of the text, and the parts' own headers.
constexpr std::size_t frame_bytes_max = 20'000;
// The room for the words and fields of one report: what the returned part leaves of
// limits::body_inline_bytes_max.
constexpr std::size_t outcome_bytes(const Part& returned) {
    return limits::body_inline_bytes_max - frame_bytes_max - returned.content.size();
}
static_assert(frame_bytes_max + returned_bytes_max + listed_bytes_max <
              limits::body_inline_bytes_max);

struct Sender {
    std::string address;
    std::string domain;  // as in queue::Recipient
};

// The address that gets the report, if there is one that can be answered. The address was checked
// when the message was received, and is checked again because it goes into a header. Its domain is
// in A-labels, unless the local part needs SMTPUTF8 anyway.
std::optional<Sender> answerable_sender(const std::string& reverse_path) {
    if (!smtp::parse_mailbox(reverse_path)) return std::nullopt;
    const auto domain = split_address(reverse_path).domain;
    if (domain.starts_with('[')) return Sender{reverse_path, std::string(domain)};
    const auto a_labels = to_a_labels(domain);
    if (!a_labels) return std::nullopt;
    return Sender{in_ascii_if_possible(reverse_path), *a_labels};
}

// Accepts what RFC 5322 section 3.6.4 allows, in the one form that nearly all programs write.
bool is_sane_message_id(std::string_view id) {
    return id.size() >= 5 && id.size() <= 255 && id.front() == '<' && id.back() == '>' &&
           std::ranges::count(id, '<') == 1 && std::ranges::count(id, '>') == 1 &&
           std::ranges::count(id, '@') == 1 &&
           std::ranges::all_of(id, [](char c) { return c > ' ' && c < 0x7f; });
}

std::string in_hex(std::uint64_t number) {
    char digits[16];
    const auto* const end = std::to_chars(digits, digits + sizeof digits, number, 16).ptr;
    return std::string(static_cast<const char*>(digits), end);
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

Part status_part(std::string fields) {
    return {
        "Content-Type: message/delivery-status\r\n"
        "Content-Transfer-Encoding: 7bit\r\n",
        std::move(fields)};
}

// A boundary that begins no line of the parts. '=' and '_' side by side do not occur in
// quoted-printable text, and the id makes it rare in all other text.
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
    // Not folded: blanks within quotes are part of the address.
    out += "To: <" + sender.address + ">\r\n";
    out += fold_field("Subject", subject_of(request));
    out += fold_field("Date", format_rfc5322(request.now));
    out += fold_field("Message-ID", message_id);
    if (is_sane_message_id(request.original.message_id)) {
        out += fold_field("In-Reply-To", request.original.message_id);
        out += fold_field("References", request.original.message_id);
    }
    return out + "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";
}

std::string multipart(std::string header, queue::MessageId id, std::span<const Part> parts) {
    const auto boundary = boundary_for(id, parts);
    auto out = std::move(header);
    out += "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"" +
           boundary + "\"\r\n";
    out += "Content-Transfer-Encoding: 7bit\r\n";
    out += "\r\nThis is a delivery report in MIME format.\r\n";
    for (const auto& part : parts) {
        out += "\r\n--" + boundary + "\r\n" + part.fields + "\r\n" + part.content;
    }
    return out + "\r\n--" + boundary + "--\r\n";
}

// Takes as many outcomes off the front of `outcomes` as there is room for in `bytes_max`, and makes
// their words and fields. Neighbours with the same outcome share their words.
struct Accounts {
    std::string text;
    std::string fields;
};
Accounts take_accounts(const ReportRequest& request, std::span<const RecipientOutcome>& outcomes,
                       std::size_t bytes_max) {
    Accounts accounts;
    std::string words;  // about those last named, not in the text yet
    std::size_t bytes = 0;
    for (bool is_first = true; !outcomes.empty(); is_first = false) {
        const auto& outcome = outcomes.front();
        const auto address = address_line(request, outcome);
        auto own_words = words_about(request, outcome);
        const bool is_same = !is_first && own_words == words;
        const auto fields = "\r\n" + per_recipient_fields(request, outcome);
        bytes += to_quoted_printable(address).size() + fields.size();
        if (!is_same) bytes += to_quoted_printable(own_words).size() + 2;
        if (bytes > bytes_max && !is_first) break;
        if (!is_same) {
            accounts.text += words + "\r\n";
            words = std::move(own_words);
        }
        accounts.text += address;
        accounts.fields += fields;
        outcomes = outcomes.subspan(1);
    }
    accounts.text += words;
    return accounts;
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
    // Only the sender's address can be anything but ASCII.
    message->envelope.smtputf8 = message->facts.has_8bit;
    message->envelope.body_type =
        message->facts.has_8bit ? queue::BodyType::eight_bit_mime : queue::BodyType::seven_bit;
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
    const auto returned = returned_part(request);
    std::span<const RecipientOutcome> outcomes = request.outcomes;
    std::vector<std::shared_ptr<const queue::Message>> messages;
    while (!outcomes.empty()) {
        const auto id = allocate_id();
        auto message_id = '<' + queue::format_id(id) + '.' + in_hex(reporter.salt) + ".report@" +
                          reporter.hostname + '>';
        // The first report lists the sender's other messages.
        const auto others = messages.empty() ? text_about_others(request) : std::string();
        const auto room = outcome_bytes(returned) - to_quoted_printable(others).size();
        auto accounts = take_accounts(request, outcomes, room);
        const std::array parts = {
            text_part(text_beginning(request, reporter) + accounts.text + others +
                      text_end(request, reporter)),
            status_part(per_message_fields(request, reporter.hostname) + accounts.fields),
            returned};
        auto body = multipart(header_text(request, reporter, *sender, message_id), id, parts);
        messages.push_back(
            make_message(request, *sender, id, std::move(message_id), std::move(body)));
    }
    return messages;
}

}  // namespace mta::report
