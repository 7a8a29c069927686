#include "mta/admin/why_words.h"

#include <algorithm>
#include <chrono>

#include "mta/admin/json.h"
#include "mta/base/time_format.h"

namespace mta::admin {
namespace {

using namespace std::chrono_literals;
using outbound::RecipientView;
using outbound::ViewState;
using outbound::WaitReason;

constexpr std::size_t recipients_described_max = 20;

std::string plural(std::uint64_t count, std::string_view noun) {
    return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

// One line of it, without characters that could move a terminal's cursor.
std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            out += " / ";
        } else if (byte >= 0x20 && byte != 0x7f) {
            out += c;
        }
    }
    return out;
}

std::string in_quotes(const DeliveryError& error) { return '"' + printable(reply_of(error)) + '"'; }

std::string name_of(const RecipientView& view) {
    return printable(view.address.empty() ? "a recipient at " + view.domain : view.address);
}

std::string destination_of(const RecipientView& view) {
    return printable(view.destination.empty() ? view.domain : view.destination);
}

std::string at_or_soon(const std::optional<Instant>& time, Instant now) {
    return time && *time > now ? when(*time, now) : std::string("at any moment");
}

std::string what_it_waits_for(const RecipientView& view, Instant now) {
    const auto destination = destination_of(view);
    switch (view.reason) {
        case WaitReason::next_attempt:
            return "waits for its next attempt, " +
                   at_or_soon(view.until ? view.until : view.next_attempt, now) + '.';
        case WaitReason::dns_answer:
            return "the DNS is being asked where mail for " + printable(view.domain) +
                   " goes; this takes seconds.";
        case WaitReason::dns_down:
            return "waits for the DNS, which could not say where mail for " +
                   printable(view.domain) + " goes. It is asked again " +
                   at_or_soon(view.until, now) + '.';
        case WaitReason::destination_down:
            return "waits for " + destination + ", which does not take mail. It is tried " +
                   at_or_soon(view.until, now) +
                   "; as soon as it answers, all mail for it goes out.";
        case WaitReason::destination_limit:
            return "waits for its turn: all connections that " + destination +
                   " may have at once are busy with other mail.";
        case WaitReason::message_rate:
            return "waits for its turn: " + destination +
                   " gets only so many messages in a time (message_rate of its [[site]]). The next "
                   "one goes out " +
                   at_or_soon(view.until, now) + '.';
        case WaitReason::connection_rate:
            return "waits for its turn: " + destination +
                   " gets only so many connections in a time (connection_rate of its [[site]]). "
                   "The "
                   "next one is opened " +
                   at_or_soon(view.until, now) + '.';
        case WaitReason::connections_limit:
            return "waits for its turn: all connections that the relay may have at once are busy.";
        case WaitReason::window:
            return "waits for the hours in which mail for " + printable(view.domain) +
                   " is delivered (deliver_between of its [[route]]). They begin again " +
                   at_or_soon(view.until, now) + '.';
        case WaitReason::future_release:
            return "waits because its sender asked for it to go out later (FUTURERELEASE): " +
                   at_or_soon(view.until, now) + '.';
        case WaitReason::delivering: return "is being delivered to " + destination + " right now.";
        case WaitReason::report: return "has failed; the report to the sender is being made.";
        case WaitReason::held:
            return "is held: an operator stopped it, and nothing is tried until it is released.";
        case WaitReason::draining:
            return "waits for the relay's restart: it is stopping, and starts nothing new.";
        case WaitReason::not_waiting: return "is done with.";
    }
    return {};
}

std::string what_happened(const RecipientView& view, Instant now) {
    std::string out;
    if (view.attempts == 0 && !view.last_attempt) {
        out = "It has not been tried yet.";
    } else if (view.attempts == 0 && view.last_attempt) {
        out = "The last try was " + when(*view.last_attempt, now) +
              "; nobody has answered about this message so far.";
    } else {
        out = "Answered " + plural(view.attempts, "time");
        if (view.last_attempt) out += ", last tried " + when(*view.last_attempt, now);
        out += '.';
    }
    if (!view.last_error || view.last_error->text.empty()) return out;
    const auto& error = *view.last_error;
    if (error.reply_code == 0) {
        out += " The last trouble: " + printable(error.text);
        if (!error.remote.empty()) out += " (" + printable(error.remote) + ')';
        return out + '.';
    }
    return out + " The last answer, from " +
           (error.remote.empty() ? destination_of(view) : printable(error.remote)) + ": " +
           in_quotes(error);
}

// What its sender asked for; empty: nothing.
std::string words_about(const queue::Requests& requests, Instant now) {
    std::string out;
    const auto add = [&out](const std::string& sentence) {
        out += (out.empty() ? "" : " ") + sentence;
    };
    if (requests.priority != 0) {
        add("Its priority is " + std::to_string(requests.priority) +
            (requests.priority > 0 ? ": it goes before" : ": it goes behind") +
            " other mail of its sender.");
    }
    if (requests.release > now)
        add("Its sender wants it to go out " + when(requests.release, now) + '.');
    const auto& by = requests.deliver_by;
    if (by.mode == ByMode::give_back) {
        add("Its sender wants it delivered by then or not at all: " + when(by.at, now) + '.');
    } else if (by.mode == ByMode::notify) {
        add("Its sender wants it delivered by then, or to be told: " + when(by.at, now) + '.');
    }
    return out;
}

// What the operator can do; empty: nothing but wait.
std::string advice(const RecipientView& view, const std::string& id) {
    switch (view.reason) {
        case WaitReason::next_attempt:
            return "To try at once: posthouse flush " + printable(view.domain);
        case WaitReason::dns_down:
            return "Look whether the name servers answer (dig MX " + printable(view.domain) +
                   "); [dns] servers names them. To ask at once: posthouse flush " +
                   printable(view.domain);
        case WaitReason::destination_down:
            return "Look whether it runs and can be reached from here. To try at once: posthouse "
                   "flush " +
                   printable(view.domain);
        case WaitReason::destination_limit:
            return "connections_per_destination in [delivery], or max_connections in its [[site]], "
                   "sets the limit.";
        case WaitReason::message_rate:
        case WaitReason::connection_rate:
            return "After a change of the rate: systemctl reload posthouse";
        case WaitReason::connections_limit: return "connections in [delivery] sets the limit.";
        case WaitReason::window:
            return "To try at once all the same: posthouse flush " + printable(view.domain);
        case WaitReason::future_release:
            return "To let it go now all the same: posthouse release " + id;
        case WaitReason::held: return "To let it go: posthouse release " + id;
        case WaitReason::dns_answer:
        case WaitReason::delivering:
        case WaitReason::report:
        case WaitReason::draining:
        case WaitReason::not_waiting: break;
    }
    return {};
}

void add_recipient(Lines& lines, const RecipientView& view, const std::string& id, Instant now) {
    lines.push_back(name_of(view) + ": " + what_it_waits_for(view, now));
    if (view.state == ViewState::in_doubt) {
        lines.emplace_back(
            "  The last connection broke after the whole message had been sent, so the other "
            "server may have it. It is tried again all the same: it may arrive twice, but it is "
            "not lost.");
    }
    lines.push_back("  " + what_happened(view, now));
    if (view.reason != WaitReason::report && view.reason != WaitReason::not_waiting) {
        lines.push_back("  If it stays like this, it is given up " + when(view.expires, now) +
                        ", and the sender gets a report.");
    }
    if (const auto words = advice(view, id); !words.empty()) lines.push_back("  " + words);
}

}  // namespace

std::string when(Instant time, Instant now) {
    const auto distance = time > now ? time - now : now - time;
    auto stamp = format_rfc3339(time);  // 2026-11-22T04:05:06.789Z
    stamp = distance < 24h ? stamp.substr(11, 8) : stamp.substr(0, 10) + ' ' + stamp.substr(11, 8);
    const auto relative =
        time > now ? "in " + format_duration(distance) : format_duration(distance) + " ago";
    return relative + " (" + stamp + " UTC)";
}

Lines words_about(const outbound::MessageView& message, Instant now) {
    const auto id = queue::format_id(message.id);
    std::string beginning = "Message " + id;
    if (message.message) {
        const auto& sender = message.message->envelope.reverse_path;
        beginning +=
            sender.empty() ? " (a report, from the null sender <>)" : " from " + printable(sender);
        if (message.message->about != 0) {
            beginning += " about message " + queue::format_id(message.message->about);
        }
    } else {
        beginning += " (its sender and addresses cannot be read from the spool just now)";
    }
    Lines lines = {beginning + ", " + format_size(message.size_bytes) + ", arrived " +
                   when(message.arrived, now) + ". It is safe on disk and waits for " +
                   plural(message.recipients.size(), "recipient") + '.'};
    if (auto wishes = words_about(message.requests, now); !wishes.empty())
        lines.push_back("  " + std::move(wishes));
    const auto shown = std::min(message.recipients.size(), recipients_described_max);
    for (std::size_t i = 0; i < shown; ++i) add_recipient(lines, message.recipients[i], id, now);
    if (shown < message.recipients.size()) {
        lines.push_back("... and " + plural(message.recipients.size() - shown, "more recipient") +
                        ": posthouse queue --id " + id);
    }
    return lines;
}

Lines words_about(const outbound::DomainView& view, Instant now) {
    const auto domain = printable(view.domain);
    Lines lines = {domain + ": " + plural(view.recipients, "recipient") + " waiting."};
    if (!view.destination.empty()) {
        lines.push_back((view.is_static_route
                             ? "A [[route]] of the configuration sends its mail to "
                             : "Its MX records send its mail to ") +
                        printable(view.destination) + '.');
    }
    if (view.dns_down_since) {
        lines.push_back("The DNS could not say where its mail goes since " +
                        when(*view.dns_down_since, now) + "; it is asked again " +
                        at_or_soon(view.next_look_up, now) + '.');
        if (view.dns_error) lines.push_back("  " + printable(reply_of(*view.dns_error)));
        lines.push_back("  Look whether the name servers answer: dig MX " + domain);
    }
    if (view.site) {
        const auto& site = *view.site;
        if (site.opens_at) {
            lines.push_back(
                printable(site.name) +
                " gets mail at certain hours only (deliver_between of its [[route]]), which begin "
                "again " +
                at_or_soon(site.opens_at, now) + ". Until then nothing is tried.");
        }
        if (site.down_since && site.opens_at) {
            lines.push_back("  It took no mail when it was last tried, since " +
                            when(*site.down_since, now) + '.');
        } else if (site.down_since) {
            lines.push_back(printable(site.name) + " has taken no mail since " +
                            when(*site.down_since, now) + ". " +
                            (site.next_probe
                                 ? "It is tried again " + at_or_soon(site.next_probe, now) + '.'
                                 : "It is being tried right now.") +
                            " As soon as it answers, all mail for it goes out.");
        } else {
            lines.push_back(printable(site.name) + " is up: " + std::to_string(site.delivering) +
                            " being delivered, " + std::to_string(site.waiting) + " waiting, " +
                            std::to_string(site.connections) + " of at most " +
                            std::to_string(site.connections_limit) + " connections open.");
        }
        if (site.last_error && !site.last_error->text.empty()) {
            lines.push_back("  The last trouble" +
                            (site.last_error->remote.empty()
                                 ? std::string()
                                 : ", with " + printable(site.last_error->remote)) +
                            ": " + in_quotes(*site.last_error));
        }
    }
    lines.push_back("To try at once: posthouse flush " + domain +
                    "   Its messages: posthouse queue --domain " + domain);
    return lines;
}

Lines words_about_unknown_id(std::string_view id) {
    return {"There is no message " + printable(id) + " in the queue.",
            "  It was delivered, has bounced or was cancelled, or it never came here. The log says "
            "which: journalctl -u posthouse -g 'id=" +
                printable(id) + "'"};
}

Lines words_about_unknown_address(std::string_view address) {
    return {
        "There is no message from or to " + printable(address) + " in the queue.",
        "  Whether one was delivered or has bounced is in the log: journalctl -u posthouse -g '" +
            printable(address) + "'"};
}

Lines words_about_unknown_domain(std::string_view domain) {
    return {"There is no mail for " + printable(domain) + " in the queue.",
            "  Whether there was any is in the log: journalctl -u posthouse -g '" +
                printable(domain) + "'"};
}

}  // namespace mta::admin
