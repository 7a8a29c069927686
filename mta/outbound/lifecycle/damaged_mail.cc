// A damaged message is returned to its sender, with as much of its envelope as is left.
#include "mta/outbound/lifecycle/ledger.h"

namespace mta::outbound {

void Ledger::return_damaged(queue::MessageHandle message,
                            const std::shared_ptr<const queue::Message>& content) {
    if (content) {
        handlers_.on_damaged(message, content, "the message was damaged on our disk");
    } else {
        handlers_.on_damaged(message, remembered(message),
                             "the message was damaged on our disk, and the recipient's address "
                             "with it: only the domain is known");
    }
}

std::shared_ptr<const queue::Message> Ledger::remembered(queue::MessageHandle message) const {
    const auto& table = parts_.scheduler.table();
    const auto& entry = table.message(message);
    auto content = std::make_shared<queue::Message>();
    content->id = entry.id;
    content->arrival = entry.arrival;
    content->envelope.reverse_path = table.sender(entry);
    content->facts.size = std::uint64_t{entry.size_kib} * 1024;
    for (const auto& recipient : table.recipients(message)) {
        const auto& domain = table.domain(recipient.domain).name;
        content->envelope.recipients.push_back(
            {.address = "?@" + domain, .domain = domain, .notify = recipient.notify, .orcpt = {}});
    }
    return content;
}

}  // namespace mta::outbound
