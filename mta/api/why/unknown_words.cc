#include "mta/api/why/unknown_words.h"

#include "mta/base/printable.h"

namespace mta::api {

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

}  // namespace mta::api
