#include "mta/api/why_gone.h"

#include "mta/base/printable.h"

namespace mta::admin {

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

Lines words_about_quarantine(const std::string& spool_path, std::size_t files) {
    if (files == 0) return {};
    return {"  Or it was in a part of the spool that is damaged: " + std::to_string(files) +
            (files == 1 ? " file is" : " files are") + " in " + printable(spool_path) +
            "/quarantine, and mail in there is not delivered (posthouse status names the files)."};
}

Lines words_about_loading() {
    return {
        "The relay has started a short while ago and does not know yet all that was queued "
        "before: ask again in a moment (posthouse status says how far it is)."};
}

}  // namespace mta::admin
