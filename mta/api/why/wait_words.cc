#include "mta/api/why/wait_words.h"

#include <algorithm>

#include "mta/api/why/recipient_words.h"
#include "mta/api/why/words.h"
#include "mta/base/printable.h"
#include "mta/base/time_format.h"

namespace mta::api {
namespace {

using outbound::RecipientView;
using outbound::WaitReason;

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

}  // namespace

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

}  // namespace mta::api
