#include "mta/report/dsn_text.h"

#include <algorithm>
#include <utility>

#include "mta/base/domain.h"
#include "mta/base/mail_address.h"
#include "mta/base/time_format.h"
#include "mta/report/delivery_status.h"
#include "mta/report/explanation.h"
#include "mta/report/mime.h"
#include "mta/report/original.h"

namespace mta::report {
namespace {

using outbound::RecipientOutcome;
using outbound::ReportKind;
using outbound::ReportRequest;

constexpr std::size_t subject_bytes_max = 400;
constexpr std::size_t header_looked_at_bytes_max = 50'000;
constexpr std::size_t short_text_bytes_max = 500;

std::string subject_in(const queue::Message& message, std::string_view head) {
    return field_of(header_of(message, head, header_looked_at_bytes_max), "Subject");
}

std::string original_subject(const ReportRequest& request) {
    return subject_in(request.original, request.head);
}

std::size_t others_of(const ReportRequest& request) {
    return request.also.size() + request.also_unlisted;
}

std::string more_messages(std::size_t count) {
    return std::to_string(count) + " more message" + (count == 1 ? "" : "s");
}

// Encoded words are for mail programs: in plain text they say nothing.
std::string readable_subject(std::string_view subject) {
    auto line = to_one_line(subject, Charset::utf8);
    return line.contains("=?") ? std::string() : line;
}

// The address as its author wrote it: "büro.example", not "xn--bro-hoa.example".
std::string domain_of(const queue::Recipient& recipient) {
    const auto domain = split_address(recipient.address).domain;
    if (domain.empty()) return "the recipient";
    return to_one_line(domain, Charset::utf8);
}

// Our own words or the name of a host, as one line.
std::string shortened(std::string_view text) {
    return to_one_line(text.substr(0, short_text_bytes_max), Charset::utf8);
}

bool is_one(const ReportRequest& request) { return request.outcomes.size() == 1; }

bool is_about_all(const ReportRequest& request) {
    return request.outcomes.size() == request.original.envelope.recipients.size();
}

// Asked for as a confirmation, or because of DELIVERBY.
std::string what_was_handed_on(const ReportRequest& request) {
    const std::string servers = is_one(request) ? "mail server" : "mail servers";
    const std::string nothing_more = std::string("You will hear nothing more unless ") +
                                     (is_one(request) ? "the" : "a") + " delivery fails.";
    const auto& by = request.original.envelope.requests.deliver_by;
    const bool is_confirmation = std::ranges::any_of(request.outcomes, [&](const auto& outcome) {
        const auto& recipient = request.original.envelope.recipients.at(outcome.recipient);
        return (recipient.notify & queue::notify_success) != 0;
    });
    if (is_confirmation || by.mode == ByMode::none) {
        return "You asked for a confirmation. Your message was handed on to the next " + servers +
               ", which " + (is_one(request) ? "does" : "do") + " not send confirmations. " +
               nothing_more;
    }
    if (by.trace) {
        return "You asked to be told about each step of your message. It was handed on to the "
               "next " +
               servers + '.';
    }
    return "You asked to be told if your message is not delivered by " + format_rfc5322(by.at) +
           ". It was handed on to the next " + servers +
           ", and from there on nobody watches the "
           "time. " +
           nothing_more;
}

std::string what_is_late(const ReportRequest& request) {
    const auto& by = request.original.envelope.requests.deliver_by;
    if (by.mode == ByMode::none || request.now < by.at) return {};
    return "You wanted it delivered by " + format_rfc5322(by.at) + ", and that time has passed. ";
}

std::string what_happened(const ReportRequest& request) {
    switch (request.kind) {
        case ReportKind::failure:
            return what_is_late(request) +
                   std::string("Your message could not be delivered to the address") +
                   (is_one(request) ? "" : "es") + " below, and nothing more will be tried." +
                   (is_about_all(request) ? ""
                                          : " Recipients that are not listed here are not "
                                            "concerned.");
        case ReportKind::delay:
            if (others_of(request) > 0) {
                return "This is only to let you know: " + std::to_string(others_of(request) + 1) +
                       " of your messages have not been delivered yet. You need not do anything, "
                       "and you need not send them again. We keep trying; the first one until " +
                       format_rfc5322(request.give_up_at) +
                       ". Should one not get through, you will hear from us again. The first is:";
            }
            return "This is only to let you know: your message has not been delivered yet. " +
                   what_is_late(request) +
                   "You "
                   "need not do anything, and you need not send it again. We keep trying until " +
                   format_rfc5322(request.give_up_at) +
                   ". Should it not get through by then, you will hear from us again.";
        case ReportKind::relayed: return what_was_handed_on(request);
    }
    return {};
}

std::string quote(const RecipientOutcome& outcome) {
    const auto lines = quoted_reply(outcome.error, Charset::utf8);
    std::string out;
    if (lines.empty()) return out;
    const auto host = shortened(outcome.error.remote);
    out += wrap("The answer of the mail server" + (host.empty() ? "" : ' ' + host) + ':', "  ");
    for (const auto& line : lines) out += wrap(line, "    ");
    return out;
}

std::string too_old(const ReportRequest& request, const RecipientOutcome& outcome,
                    const std::string& domain) {
    // The time that the message was here. It may have been tried for less: the relay may have been
    // off.
    auto words = "The message has waited for " + in_words(request.now - request.original.arrival);
    if (outcome.error.reply_code == 0 || outcome.attempts == 0) {
        words += " and could not be delivered. ";
    } else {
        words += ", and the mail server of " + domain + " put it off at ";
        words += outcome.attempts == 1
                     ? "the one attempt that was made. "
                     : "each of " + std::to_string(outcome.attempts) + " attempts. ";
    }
    return words + explain(outcome.error, domain).what;
}

// One of the sender's other messages: its subject, recipients, the reason why it waits, and when it
// expires.
std::string lines_about(const outbound::AlsoDelayed& other) {
    constexpr std::size_t addresses_max = 5;
    const auto& message = *other.message;
    auto out = "\r\n" + wrap("Message " + queue::format_id(message.id) + ", sent " +
                                 format_rfc5322(message.arrival),
                             "");
    const auto subject = readable_subject(shortened(subject_in(message, other.head)));
    if (!subject.empty()) out += wrap("Subject: " + subject, "  ");
    std::string to;
    for (std::size_t i = 0; i < std::min(other.outcomes.size(), addresses_max); ++i) {
        const auto& recipient = message.envelope.recipients.at(other.outcomes[i].recipient);
        to += (i == 0 ? "<" : ", <") + to_one_line(recipient.address, Charset::utf8) + '>';
    }
    if (other.outcomes.size() > addresses_max)
        to += " and " + std::to_string(other.outcomes.size() - addresses_max) + " more";
    out += wrap("To: " + to, "  ");
    const auto& first = other.outcomes.front();
    const auto domain = domain_of(message.envelope.recipients.at(first.recipient));
    out += wrap(explain(first.error, domain).what, "  ");
    return out + wrap("We keep trying until " + format_rfc5322(other.give_up_at) + '.', "  ");
}

}  // namespace

std::string text_beginning(const ReportRequest& request, const Reporter& reporter) {
    auto out = wrap("This message was made by the mail server " + reporter.hostname + '.', "");
    out += "\r\n" + wrap(what_happened(request), "") + "\r\n";
    const auto subject = readable_subject(original_subject(request));
    if (!subject.empty()) out += wrap("Subject: " + subject, "  ");
    out += "  Sent:    " + format_rfc5322(request.original.arrival) + "\r\n";
    return out;
}

std::string address_line(const ReportRequest& request, const RecipientOutcome& outcome) {
    const auto& recipient = request.original.envelope.recipients.at(outcome.recipient);
    return '<' + to_one_line(recipient.address, Charset::utf8) + ">\r\n";
}

std::string words_about(const ReportRequest& request, const RecipientOutcome& outcome) {
    const auto& recipient = request.original.envelope.recipients.at(outcome.recipient);
    const auto domain = domain_of(recipient);
    const auto explanation = explain(outcome.error, domain);
    std::string out;
    if (request.kind == ReportKind::relayed) {
        return wrap("Handed on to " +
                        (outcome.error.remote.empty() ? std::string("the next mail server")
                                                      : shortened(outcome.error.remote)) +
                        '.',
                    "  ") +
               quote(outcome);
    }
    if (request.kind == ReportKind::delay) {
        out += wrap("Not delivered so far. " + explanation.what, "  ");
    } else if (outcome.has_expired) {
        out += wrap(too_old(request, outcome, domain), "  ");
    } else {
        out += wrap(explanation.what, "  ");
    }
    if (outcome.is_in_doubt) {
        out += wrap(
            "The connection was lost just after the whole message had been sent, so it may "
            "have arrived all the same. Please ask the recipient before you send it again.",
            "  ");
    }
    if (request.kind == ReportKind::failure) out += wrap(explanation.advice, "  ");
    // Our own words about a host that did not reply are for the administrator, and short.
    if (outcome.error.reply_code == 0 && !outcome.error.text.empty()) {
        out += wrap(
            "(Technical detail: " + shortened(outcome.error.text) +
                (outcome.error.remote.empty() ? "" : ", " + shortened(outcome.error.remote)) + ')',
            "  ");
    }
    return out + quote(outcome);
}

std::string text_about_others(const ReportRequest& request) {
    if (others_of(request) == 0) return {};
    auto out = "\r\n" + wrap(
                            "These wait as well, the oldest first. You will get no other notice "
                            "about them for now:",
                            "");
    auto bytes = to_quoted_printable(out).size();
    std::size_t listed = 0;
    for (; listed < request.also.size(); ++listed) {
        const auto lines = lines_about(request.also[listed]);
        bytes += to_quoted_printable(lines).size();
        if (bytes > listed_bytes_max - 200) break;
        out += lines;
    }
    const auto left = others_of(request) - listed;
    if (left > 0) out += "\r\n" + wrap("... and " + more_messages(left) + '.', "");
    return out;
}

std::string text_end(const ReportRequest& request, const Reporter& reporter) {
    std::string out = "\r\n";
    if (request.kind == ReportKind::failure) {
        out += wrap("If you need help, please forward this whole message to your administrator, " +
                        postmaster_of(reporter) +
                        ". The parts below are for mail programs and administrators.",
                    "");
    } else {
        out += wrap("If you have questions, please write to " + postmaster_of(reporter) + '.', "");
    }
    return out;
}

std::string subject_of(const ReportRequest& request) {
    const auto subject = to_header_text(original_subject(request), subject_bytes_max);
    std::string out = "Undeliverable: ";
    if (request.kind == ReportKind::delay) out = "Delayed: ";
    if (request.kind == ReportKind::relayed) out = "Handed on: ";
    out += subject.empty() ? "your message" : subject;
    const auto others = others_of(request);
    return others == 0 ? out : out + " (and " + more_messages(others) + ')';
}

std::string postmaster_of(const Reporter& reporter) {
    return reporter.postmaster.empty() ? "postmaster@" + reporter.hostname : reporter.postmaster;
}

std::string in_words(Millis duration) {
    using namespace std::chrono_literals;
    constexpr std::pair<Millis, const char*> units[] = {
        {24h, "day"}, {1h, "hour"}, {1min, "minute"}};
    for (const auto& [unit, name] : units) {
        // The largest unit of which there are at least two: "36 hours" must not become "2 days".
        if (duration < 2 * unit && unit != Millis(1min)) continue;
        const auto count = std::max<std::int64_t>((duration + unit / 2) / unit, 1);
        return std::to_string(count) + ' ' + name + (count == 1 ? "" : "s");
    }
    return {};
}

}  // namespace mta::report
