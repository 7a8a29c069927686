#include "mta/api/why/message_words.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "mta/api/why/advice.h"
#include "mta/api/why/attempt_words.h"
#include "mta/api/why/recipient_words.h"
#include "mta/api/why/wait_words.h"
#include "mta/base/printable.h"
#include "mta/base/time_format.h"

namespace mta::api {
namespace {

using outbound::ViewState;
using outbound::WaitReason;

constexpr std::size_t recipients_described_max = 20;

// What the sender asked for, in sentences. Empty if that is nothing.
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
    std::ranges::move(attempt_lines(message, number, now), std::back_inserter(lines));
    if (view.reason != WaitReason::report && view.reason != WaitReason::not_waiting) {
        const bool is_report = message.message && message.message->envelope.reverse_path.empty();
        // A recipient is given up only when an attempt in this process's life has failed.
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

}  // namespace mta::api
