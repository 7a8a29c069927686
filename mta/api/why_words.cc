#include "mta/api/why_words.h"

#include <algorithm>

#include "mta/api/json.h"
#include "mta/api/words.h"
#include "mta/base/domain.h"
#include "mta/base/printable.h"
#include "mta/base/time_format.h"

namespace mta::admin {
namespace {

using outbound::AttemptView;
using outbound::RecipientView;
using outbound::ViewState;
using outbound::WaitReason;

constexpr std::size_t recipients_described_max = 20;
constexpr std::size_t attempts_described_max = 10;  // of a recipient, the newest

std::string name_of(const RecipientView& view) {
    return printable(view.address.empty() ? "a recipient at " + view.domain : view.address);
}

std::string destination_of(const RecipientView& view) {
    return printable(view.destination.empty() ? view.domain : view.destination);
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

std::string look_up_words(const outbound::Blocker& blocker, Instant now) {
    if (!blocker.looks_up_since) return {};
    return ", since " + stamp_of(*blocker.looks_up_since, now) + " UTC (for " +
           format_duration(std::max(now - *blocker.looks_up_since, Millis{0})) + ')';
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
    if (view.blocker.looks_up_since) {
        return out + ": the name servers are being asked for the addresses of " +
               printable(remote) + look_up_words(view.blocker, now) + '.';
    }
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
            return "the DNS is being asked where mail for " + printable(view.domain) + " goes" +
                   look_up_words(view.blocker, now) +
                   "; this takes seconds, and longer while many name servers are silent.";
        case WaitReason::dns_turn:
            return "waits for its turn to ask the DNS where mail for " + printable(view.domain) +
                   " goes: very many questions are under way.";
        case WaitReason::dns_down: return wait_for_dns(view, now);
        case WaitReason::destination_down: return wait_for_destination(view, now);
        case WaitReason::destination_slowed:
            return "waits for its turn: " + destination_of(view) +
                   " breaks its sessions at one message after the other, so that it gets one "
                   "connection at a time, with pauses. The next one is opened " +
                   at_or_soon(view.until, now) + in_line_words(view.blocker) + '.';
        case WaitReason::destination_limit: return wait_for_connection(view, now);
        case WaitReason::mailbox_turn:
            return "waits for its turn: " + destination_of(view) +
                   " hangs or breaks the session at this mailbox, so mail for it is tried one "
                   "message at a time, and another message is being tried now" +
                   in_line_words(view.blocker) + '.';
        case WaitReason::message_rate:
        case WaitReason::connection_rate: return wait_for_rate(view, now);
        case WaitReason::connections_limit:
            if (view.blocker.busy < view.blocker.limit) {
                return "waits for its turn: " + std::to_string(view.blocker.busy) + " of the " +
                       plural(view.blocker.limit, "connection") +
                       " that the relay may have at once are busy, and the others are for "
                       "destinations that have none.";
            }
            return "waits for its turn: " + busy_words(view.blocker, "the relay") + '.';
        case WaitReason::unanswered_limit:
            return "waits for its turn among destinations that have not answered yet: " +
                   busy_words(view.blocker, "these") + '.';
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
        case WaitReason::mailbox_turn: return "Check the log of that server for the reason.";
        case WaitReason::destination_slowed:
            return "Check the log of that server. To try at once: posthouse flush " + domain;
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
        case WaitReason::unanswered_limit:
            return "A quarter of connections in [delivery] is for these, so that servers that say "
                   "nothing cannot take all.";
        case WaitReason::window:
            return "To try at once all the same: posthouse flush " + printable(view.domain);
        case WaitReason::future_release:
            return "To let it go now all the same: posthouse release " + id;
        case WaitReason::held: return "To let it go: posthouse release " + id;
        case WaitReason::dns_answer:
        case WaitReason::dns_turn:
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
        // It is given up only when an attempt in this process's life has failed.
        const auto end = view.expires > now
                             ? "  If it stays like this, it is given up " + when(view.expires, now)
                             : "  Its lifetime is over: it is given up when one more attempt has "
                               "failed";
        lines.push_back(end +
                        (is_report ? ", and nobody is told." : ", and the sender gets a report."));
    }
    if (const auto words = advice(view, queue::format_id(message.id)); !words.empty())
        lines.push_back("  " + words);
}

}  // namespace

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

}  // namespace mta::admin
