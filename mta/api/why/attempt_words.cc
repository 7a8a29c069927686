#include "mta/api/why/attempt_words.h"

#include <algorithm>
#include <string>

#include "mta/api/why/recipient_words.h"

namespace mta::api {
namespace {

using outbound::AttemptView;
using outbound::RecipientView;
using outbound::WaitReason;

constexpr std::size_t attempts_described_max = 10;  // of a recipient, the newest

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

// The words for a recipient whose single attempts are not remembered: its own last error.
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

}  // namespace

Lines attempt_lines(const outbound::MessageView& message, std::size_t number, Instant now) {
    Lines lines;
    const auto& view = message.recipients[number];
    const auto& attempts = view.attempts_made;
    if (attempts.empty()) {
        const bool is_first =
            view.reason == WaitReason::delivering && view.attempts == 0 && !view.last_attempt;
        lines.push_back("  " +
                        (is_first ? "This is the first attempt." : what_happened(view, now)));
        return lines;
    }
    if (number > 0 && are_same(attempts, message.recipients[number - 1].attempts_made)) {
        lines.push_back("  What was tried: the same as for " +
                        name_of(message.recipients[number - 1]) + '.');
        return lines;
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
    // The error is the destination's: an attempt of another message found it.
    const bool is_of_destination =
        view.reason == WaitReason::destination_down || view.reason == WaitReason::dns_down;
    if (is_of_destination && view.last_error && view.last_error != attempts.back().error) {
        lines.push_back("    since then, with other mail: " +
                        words_of(*view.last_error, destination_of(view)));
    }
    return lines;
}

}  // namespace mta::api
