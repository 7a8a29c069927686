#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "queue/handles.h"
#include "queue/slab.h"

namespace queue {

// The name of the group that a sender shares its turns with. A mailing list may give each message a
// sender of its own (VERP: "news+bob=them.example@list.example",
// "news-return-12-bob=them.example@list.example"); as a group it is one sender among others, and
// not a thousand. The name is the reverse-path without what follows the first '+' of the local part
// or, if the local part contains a '=', its first '-'; otherwise the reverse-path itself.
[[nodiscard]] std::string sender_group_name(std::string_view reverse_path);

// The reverse-paths of queued messages. Each is kept once, while a message has it. The null sender
// has the empty handle.
class SenderTable {
public:
    // Counts one more user.
    [[nodiscard]] SenderHandle add(std::string_view reverse_path);
    void release(SenderHandle sender);
    // Empty for the null sender.
    [[nodiscard]] std::string_view name(SenderHandle sender) const {
        return sender ? entries_[sender].name : std::string_view{};
    }
    // Senders of one group have the same handle, as long as one of them is in use.
    [[nodiscard]] SenderGroup group(SenderHandle sender) const {
        return sender ? group_named(entries_[sender].group) : SenderGroup{};
    }
    // Empty if no message has it.
    [[nodiscard]] SenderHandle find(std::string_view reverse_path) const;
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        std::string name;
        SenderHandle group;  // the entry that names its group: another one, or itself
        std::uint32_t users = 0;
    };

    [[nodiscard]] static SenderGroup group_named(SenderHandle entry) {
        return SenderGroup(entry.index());
    }
    [[nodiscard]] SenderHandle find_or_add(std::string_view name);

    Slab<Entry, SenderHandle> entries_;
    std::unordered_map<std::string_view, SenderHandle> by_name_;  // views of the entries' names
};

}  // namespace queue
