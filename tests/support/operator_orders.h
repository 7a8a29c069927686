#pragma once
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "mta/outbound/desk/operator_desk.h"

namespace support {

// What `posthouse flush [DOMAIN]` does: selects recipients by a filter, and orders message by
// message. Returns how many recipients were changed. ".sub.tree" means all domains below it.
inline std::size_t flush(mta::outbound::OperatorDesk& desk, const std::string& domain = {}) {
    using namespace mta::outbound;
    std::vector<std::pair<queue::MessageId, std::vector<std::uint32_t>>> selected;
    const auto select = [&selected](const MessageHit& hit) {
        auto& [id, numbers] = selected.emplace_back();
        id = hit.id;
        for (const auto& recipient : hit.recipients) numbers.push_back(recipient.number);
        return true;
    };
    MessageFilter filter;
    filter.domain = domain;
    for (std::optional<ScanCursor> at = ScanCursor{0}; at;)
        at = desk.scan(filter, {.from = *at, .messages_max = 1000, .with_details = false}, select);
    std::size_t flushed = 0;
    for (const auto& [id, numbers] : selected) flushed += desk.flush(id, numbers);
    return flushed;
}

}  // namespace support
