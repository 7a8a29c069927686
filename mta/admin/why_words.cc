#include "mta/admin/why_words.h"

#include <algorithm>
#include <chrono>
#include <span>

#include "mta/admin/json.h"
#include "mta/base/domain.h"
#include "mta/base/printable.h"
#include "mta/base/time_format.h"

namespace mta::admin {
namespace {

using namespace std::chrono_literals;
using outbound::AttemptView;
using outbound::RecipientView;
using outbound::ViewState;
using outbound::WaitReason;

constexpr std::size_t recipients_described_max = 20;
constexpr std::size_t attempts_described_max = 10;  // of a recipient, the newest

std::string plural(std::uint64_t count, std::string_view noun) {
    return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

// Who said what: `mx1 [192.0.2.1]:25 said "450 4.7.1 greylisted"`, or our own words about it.
std::string words_of(const DeliveryError& error, const std::string& destination) {
    const auto remote = printable(error.remote);
    if (error.reply_code != 0) {
        return (remote.empty() ? destination : remote) + " said \"" + printable(reply_of(error)) +
               '"';
    }
    auto text = printable(error.text);
    if (text.ends_with('.')) text.pop_back();  // the sentence around it ends by itself
    return (remote.empty() ? "" : remote + ": ") + text;
}

std::string name_of(const RecipientView& view) {
    return printable(view.address.empty() ? "a recipient at " + view.domain : view.address);
}

std::string destination_of(const RecipientView& view) {
    return printable(view.destination.empty() ? view.domain : view.destination);
}

std::string at_or_soon(const std::optional<Instant>& time, Instant now) {
    return time && *time > now ? when(*time, now) : std::string("at any moment");
}

// Without the date if it is within a day.
std::string stamp_of(Instant time, Instant now) {
    const auto distance = time > now ? time - now : now - time;
    const auto text = format_rfc3339(time);  // 2026-11-22T04:05:06.789Z
    const auto clock = text.substr(11, 8);
    return distance < 24h ? clock : text.substr(0, 10) + ' ' + clock;
}

// ---- What it waits for -----------------------------------------------------------------------

// " (since 10:00:00 UTC, for 2h; 7 tries failed)"
std::string since_words(const outbound::Blocker& blocker, Instant now) {
    if (!blocker.since) return {};
    auto out = " (since " + stamp_of(*blocker.since, now) + " UTC, for " +
               format_duration(std::max(now - *blocker.since, Millis{0}));
    if (blocker.failures > 1) out += "; " + std::to_string(blocker.failures) + " tries failed";
    return out + ')';
}

std::string in_line_words(const outbound::Blocker& blocker) {
    return blocker.in_line > 1 ? " (" + plural(blocker.in_line, "message") + " in line)" : "";
}

// "all 20 connections that they may have at once are busy with other mail"
std::string busy_words(const outbound::Blocker& blocker, const std::string& whose) {
    if (blocker.limit == 1) return "the one connection that " + whose + " may have is busy";
    const auto all =
        blocker.limit == 0 ? "all connections" : "all " + plural(blocker.limit, "connection");
    return all + " that " + whose + " may have at once are busy";
}

// The limit of the destination, or of one of its hosts.
std::string wait_for_connection(const RecipientView& view, Instant now) {
    const auto& blocker = view.blocker;
    const auto in_line = in_line_words(blocker) + '.';
    if (blocker.remote.empty()) {
        return "waits for its turn: " + busy_words(blocker, destination_of(view)) +
               " with other mail" + in_line;
    }
    const auto host = printable(blocker.remote);
    if (view.until && *view.until > now) {
        return "waits for " + host +
               ", which said that there are too many connections. It is asked again " +
               when(*view.until, now) + in_line;
    }
    return "waits for its turn: " + host + " gets " + plural(blocker.limit, "connection") +
           " at a time, and all are in use" + in_line;
}

std::string wait_for_destination(const RecipientView& view, Instant now) {
    const auto& blocker = view.blocker;
    auto out = "waits for " + destination_of(view) + ", which does not take mail" +
               since_words(blocker, now) + ". ";
    out += blocker.is_probing ? "It is being tried right now"
                              : "It is tried " + at_or_soon(view.until, now);
    return out + "; as soon as it answers, all mail for it goes out" + in_line_words(blocker) + '.';
}

std::string wait_for_dns(const RecipientView& view, Instant now) {
    const auto& blocker = view.blocker;
    return "waits for the DNS, which cannot say where mail for " + printable(view.domain) +
           " goes" + since_words(blocker, now) + ". It is " +
           (blocker.is_probing ? "being asked right now."
                               : "asked again " + at_or_soon(view.until, now) + '.');
}

std::string wait_for_rate(const RecipientView& view, Instant now) {
    const bool is_of_messages = view.reason == WaitReason::message_rate;
    const std::string noun = is_of_messages ? "messages" : "connections";
    const std::string setting = is_of_messages ? "message_rate" : "connection_rate";
    const auto& rate = view.blocker.rate;
    return "waits for its turn: " + destination_of(view) + " gets " +
           (rate.empty() ? "only so many " + noun + " in a time" : "at most " + rate + ' ' + noun) +
           " (" + setting + " of its [[site]]). The next one " +
           (is_of_messages ? "goes out " : "is opened ") + at_or_soon(view.until, now) +
           in_line_words(view.blocker) + '.';
}

std::string delivering_words(const RecipientView& view, Instant now) {
    const auto& remote = view.blocker.remote;
    auto out = "is being delivered to " + destination_of(view) + " right now";
    if (remote.empty()) return out + '.';
    out += ", over " + printable(remote);
    if (view.until && *view.until > now) {
        out += ", which has time to answer until " + stamp_of(*view.until, now) + " UTC (in " +
               format_duration(*view.until - now) + ')';
    }
    return out + '.';
}

std::string what_it_waits_for(const RecipientView& view, Instant now) {
    switch (view.reason) {
        case WaitReason::next_attempt:
            return "waits for its next attempt, " +
                   at_or_soon(view.until ? view.until : view.next_attempt, now) + '.';
        case WaitReason::dns_answer:
            return "the DNS is being asked where mail for " + printable(view.domain) +
                   " goes; this takes seconds.";
        case WaitReason::dns_down: return wait_for_dns(view, now);
        case WaitReason::destination_down: return wait_for_destination(view, now);
        case WaitReason::destination_limit: return wait_for_connection(view, now);
        case WaitReason::message_rate:
        case WaitReason::connection_rate: return wait_for_rate(view, now);
        case WaitReason::connections_limit:
            return "waits for its turn: " + busy_words(view.blocker, "the relay") + '.';
        case WaitReason::window:
            return "waits for the hours in which mail for " + printable(view.domain) +
                   " is delivered (deliver_between of its [[route]]). They begin again " +
                   at_or_soon(view.until, now) + '.';
        case WaitReason::future_release:
            return "waits because its sender asked for it to go out later (FUTURERELEASE): " +
                   at_or_soon(view.until, now) + '.';
        case WaitReason::delivering: return delivering_words(view, now);
        case WaitReason::report: return "has failed; the report to the sender is being made.";
        case WaitReason::held:
            return "is held: an operator stopped it, and nothing is tried until it is released.";
        case WaitReason::draining:
            return "waits for the relay's restart: it is stopping, and starts nothing new.";
        case WaitReason::not_waiting: return "is done with.";
    }
    return {};
}

// ---- What was tried --------------------------------------------------------------------------

std::string attempt_words(const AttemptView& attempt, const RecipientView& view, Instant started,
                          Instant now) {
    const auto words = words_of(attempt.error, destination_of(view));
    if (attempt.kind == AttemptView::Kind::earlier) {
        auto out = "before the relay's start at " + stamp_of(started, now) + ": " +
                   plural(attempt.attempts, "attempt") + ", the last at " +
                   stamp_of(attempt.at, now);
        return words.empty() ? out : out + ": " + words;
    }
    return stamp_of(attempt.at, now) + "  " + words;
}

bool are_same(const std::vector<AttemptView>& a, const std::vector<AttemptView>& b) {
    return std::ranges::equal(a, b, [](const AttemptView& one, const AttemptView& other) {
        return one.kind == other.kind && one.at == other.at && one.error == other.error;
    });
}

// Nothing is kept of single attempts: what the recipient's own last error tells.
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
    out += view.last_error->reply_code == 0 ? " The last trouble: " : " The last answer: ";
    return out + words_of(*view.last_error, destination_of(view)) + '.';
}

void add_attempts(Lines& lines, const outbound::MessageView& message, std::size_t number,
                  Instant now) {
    const auto& view = message.recipients[number];
    const auto& attempts = view.attempts_made;
    if (attempts.empty()) {
        const bool is_first =
            view.reason == WaitReason::delivering && view.attempts == 0 && !view.last_attempt;
        lines.push_back("  " +
                        (is_first ? "This is the first attempt." : what_happened(view, now)));
        return;
    }
    if (number > 0 && are_same(attempts, message.recipients[number - 1].attempts_made)) {
        lines.push_back("  What was tried: the same as for " +
                        name_of(message.recipients[number - 1]) + '.');
        return;
    }
    lines.emplace_back("  What was tried (times in UTC):");
    const auto hidden = attempts.size() - std::min(attempts.size(), attempts_described_max);
    if (view.is_history_cut) {
        lines.push_back(
            "    older ones are no longer remembered; the log has them: journalctl -u "
            "posthouse -g id=" +
            queue::format_id(message.id));
    }
    if (hidden > 0) {
        lines.push_back("    (" + std::to_string(hidden) +
                        " more before these: posthouse why --json " + queue::format_id(message.id) +
                        ')');
    }
    for (std::size_t i = hidden; i < attempts.size(); ++i) {
        lines.push_back("    " + attempt_words(attempts[i], view, message.started, now));
    }
    // Of the destination, found by another message's attempt.
    const bool is_of_destination =
        view.reason == WaitReason::destination_down || view.reason == WaitReason::dns_down;
    if (is_of_destination && view.last_error && view.last_error != attempts.back().error) {
        lines.push_back("    since then, with other mail: " +
                        words_of(*view.last_error, destination_of(view)));
    }
}

// ---- What can be done ------------------------------------------------------------------------

bool is_greylisting(const RecipientView& view) {
    if (view.reason != WaitReason::next_attempt || !view.last_error) return false;
    const auto text = to_lower(view.last_error->text);
    return view.last_error->reply_code / 100 == 4 &&
           (text.contains("greylist") || text.contains("graylist") || text.contains("grey-list"));
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
    const auto domain = printable(view.domain);
    switch (view.reason) {
        case WaitReason::next_attempt:
            if (is_greylisting(view)) {
                return "This is greylisting: the server wants unknown senders to come again after "
                       "some minutes, and then takes their mail. There is nothing to be done.";
            }
            return "To try at once: posthouse flush " + domain;
        case WaitReason::dns_down:
            return "Look whether the name servers answer (dig MX " + domain +
                   "); [dns] servers names them. To ask at once: posthouse flush " + domain;
        case WaitReason::destination_down:
            return "Look whether it runs and can be reached from here. To try at once: posthouse "
                   "flush " +
                   domain;
        case WaitReason::destination_limit:
            if (!view.blocker.remote.empty() && view.until) return {};
            if (!view.blocker.remote.empty()) {
                return "Their number follows what the server bears, up to max_connections in its "
                       "[[site]] (or connections_per_destination in [delivery]).";
            }
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

void add_recipient(Lines& lines, const outbound::MessageView& message, std::size_t number,
                   Instant now) {
    const auto& view = message.recipients[number];
    lines.push_back(name_of(view) + ": " + what_it_waits_for(view, now));
    if (view.state == ViewState::in_doubt) {
        lines.emplace_back(
            "  The last connection broke after the whole message had been sent, so the other "
            "server may have it. It is tried again all the same: it may arrive twice, but it is "
            "not lost.");
    }
    add_attempts(lines, message, number, now);
    if (view.reason != WaitReason::report && view.reason != WaitReason::not_waiting) {
        const bool is_report = message.message && message.message->envelope.reverse_path.empty();
        lines.push_back("  If it stays like this, it is given up " + when(view.expires, now) +
                        (is_report ? ", and nobody is told." : ", and the sender gets a report."));
    }
    if (const auto words = advice(view, queue::format_id(message.id)); !words.empty())
        lines.push_back("  " + words);
}

// Addresses and sources of a destination that are not used for now.
void add_what_is_passed_over(Lines& lines, const outbound::DestinationView& site, Instant now) {
    constexpr std::size_t shown_max = 10;
    for (const auto& address :
         std::span(site.unwell).first(std::min(site.unwell.size(), shown_max))) {
        lines.push_back("  Passed over since " + when(address.since, now) + ": " +
                        printable(address.host) + ", " + printable(address.address) + ". " +
                        words_of(address.error, printable(address.host)) + ". It is tried again " +
                        at_or_soon(address.next_try, now) + '.');
    }
    if (site.unwell.size() > shown_max) {
        lines.push_back("  So are " + std::to_string(site.unwell.size() - shown_max) +
                        " more addresses: GET /v1/destinations of the admin socket names them.");
    }
    for (const auto& suspended : site.suspended) {
        lines.push_back("  It refuses mail from our [[source]] " + printable(suspended.source) +
                        ", which is not used for it until " + when(suspended.until, now) + ". " +
                        words_of(suspended.error, printable(site.name)) + '.');
    }
}

void add_destination(Lines& lines, const outbound::DestinationView& site, Instant now) {
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
        lines.push_back("  The last trouble: " + words_of(*site.last_error, printable(site.name)));
    }
    add_what_is_passed_over(lines, site, now);
}

// The command that finds it in the log, ready for a shell: the journal takes a regular expression.
std::string log_search(std::string_view text) {
    std::string pattern;
    for (const char c : printable(text)) {
        if (std::string_view("\\+*?()[]{}|^$").contains(c)) pattern += '\\';
        pattern += c == '\'' ? '.' : c;
    }
    return "journalctl -u posthouse -g '" + pattern + '\'';
}

}  // namespace

std::string when(Instant time, Instant now) {
    const auto distance = time > now ? time - now : now - time;
    const auto relative = distance < 1s ? std::string(time > now ? "at once" : "just now")
                          : time > now  ? "in " + format_duration(distance)
                                        : format_duration(distance) + " ago";
    return relative + " (" + stamp_of(time, now) + " UTC)";
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
    for (std::size_t i = 0; i < shown; ++i) add_recipient(lines, message, i, now);
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
    if (view.site) add_destination(lines, *view.site, now);
    lines.push_back("To try at once: posthouse flush " + domain +
                    "   Its messages: posthouse queue --domain " + domain);
    return lines;
}

Lines words_about(const outbound::EndingView& ending, Instant now) {
    const auto id = queue::format_id(ending.id);
    const auto who = ending.address.empty() ? "a recipient" : printable(ending.address);
    Lines lines = {"Message " + id + " to " + who + " was given up " + when(ending.at, now) +
                   (ending.has_expired ? ": its time was over. The last trouble: " : ": ") +
                   words_of(ending.error, "the other server") + '.'};
    const auto report = queue::format_id(ending.report);
    if (ending.report == 0) {
        lines.emplace_back(
            "  Nobody was told: it was a report itself, or its sender did not want to hear of it.");
    } else if (ending.is_report_queued) {
        lines.push_back("  The report to its sender is message " + report +
                        ", which is still on its way: posthouse why " + report);
    } else {
        lines.push_back("  The report to its sender was message " + report +
                        ", which has left. Where it went: journalctl -u posthouse -g id=" + report);
    }
    return lines;
}

Lines words_about_unknown_id(std::string_view id) {
    return {"There is no message " + printable(id) + " in the queue.",
            "  It was delivered, has bounced or was cancelled, or it never came here. The log says "
            "which: " +
                log_search("id=" + std::string(id))};
}

Lines words_about_unknown_message_id(std::string_view message_id) {
    return {
        "There is no message with the Message-ID " + printable(message_id) + " in the queue.",
        "  Whether one came here, and what became of it, is in the log: " + log_search(message_id)};
}

Lines words_about_unknown_address(std::string_view address) {
    return {"There is no message from or to " + printable(address) + " in the queue.",
            "  Whether one was delivered or has bounced is in the log: " + log_search(address)};
}

Lines words_about_unknown_domain(std::string_view domain) {
    return {"There is no mail for " + printable(domain) + " in the queue.",
            "  Whether there was any is in the log: " + log_search(domain)};
}

Lines words_about_loading() {
    return {
        "The relay has started a short while ago and does not know yet all that was queued "
        "before: ask again in a moment (posthouse status says how far it is)."};
}

}  // namespace mta::admin
