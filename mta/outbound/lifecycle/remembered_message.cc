#include "mta/outbound/lifecycle/remembered_message.h"

namespace mta::outbound {

std::shared_ptr<const queue::Message> remembered_message(const queue::MessageTable& table,
                                                         queue::MessageHandle message) {
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
