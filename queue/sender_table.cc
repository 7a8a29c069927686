#include "queue/sender_table.h"

#include <algorithm>

#include "mta/base/assert.h"
#include "mta/base/mail_address.h"

namespace queue {

std::string sender_group_name(std::string_view reverse_path) {
    if (!reverse_path.contains('@')) return std::string(reverse_path);
    const auto local = mta::split_address(reverse_path).local_part;
    const auto plus = local.find('+');
    const auto hyphen = local.contains('=') ? local.find('-') : std::string_view::npos;
    const auto end = std::min(plus, hyphen);
    if (end == std::string_view::npos || end == 0) return std::string(reverse_path);
    return std::string(local.substr(0, end)) + std::string(reverse_path.substr(local.size()));
}

SenderHandle SenderTable::add(std::string_view reverse_path) {
    if (reverse_path.empty()) return {};
    const auto sender = find_or_add(reverse_path);
    if (entries_[sender].users++ > 0) return sender;
    const auto name = sender_group_name(reverse_path);
    const auto group = name == reverse_path ? sender : find_or_add(name);
    // The name of a group that is no sender itself is its own group.
    if (group != sender && entries_[group].users++ == 0) entries_[group].group = group;
    entries_[sender].group = group;
    return sender;
}

SenderHandle SenderTable::find_or_add(std::string_view name) {
    if (const auto known = by_name_.find(name); known != by_name_.end()) return known->second;
    const auto index = entries_.add({std::string(name), {}, 0});
    by_name_.emplace(entries_[index].name, index);
    return index;
}

SenderHandle SenderTable::find(std::string_view reverse_path) const {
    const auto known = by_name_.find(reverse_path);
    return known == by_name_.end() ? SenderHandle{} : known->second;
}

void SenderTable::release(SenderHandle sender) {
    while (sender) {
        MTA_ASSERT(entries_[sender].users > 0);
        if (--entries_[sender].users > 0) return;
        const auto group = entries_[sender].group;
        by_name_.erase(entries_[sender].name);
        entries_.remove(sender);
        // The group goes with its last sender.
        sender = group == sender ? SenderHandle{} : group;
    }
}

}  // namespace queue
