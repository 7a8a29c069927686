#include "mta/api/why/ended_words.h"

#include "mta/base/printable.h"

namespace mta::api {

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

}  // namespace mta::api
