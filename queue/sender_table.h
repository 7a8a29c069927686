#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "queue/slab.h"

namespace queue {

// What the senders of a mailing list's messages have in common, so that a list that gives each
// message a sender of its own (VERP: "news+bob=them.example@list.example",
// "news-return-12-bob=them.example@list.example") is one sender among others and not a thousand.
// The reverse-path without what follows the first '+' of the local part or, if that contains a
// '=', its first '-'; otherwise the reverse-path itself.
[[nodiscard]] std::string sender_group_name(std::string_view reverse_path);

// The reverse-paths of what is queued, each kept once while a message has it. `nothing` is the null
// sender.
class SenderTable {
public:
    // Counts one more user.
    [[nodiscard]] std::uint32_t add(std::string_view reverse_path);
    void release(std::uint32_t sender);
    // Empty for the null sender.
    [[nodiscard]] std::string_view name(std::uint32_t sender) const {
        return sender == nothing ? std::string_view{} : entries_[sender].name;
    }
    // Senders of the same group have the same, as long as one of them is in use.
    [[nodiscard]] std::uint32_t group(std::uint32_t sender) const {
        return sender == nothing ? nothing : entries_[sender].group;
    }
    // `nothing` if nobody has it (any more).
    [[nodiscard]] std::uint32_t find(std::string_view reverse_path) const;
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        std::string name;
        std::uint32_t group = nothing;  // another entry, or itself
        std::uint32_t users = 0;
    };

    [[nodiscard]] std::uint32_t find_or_add(std::string_view name);

    Slab<Entry> entries_;
    std::unordered_map<std::string_view, std::uint32_t> by_name_;  // views of the entries' names
};

}  // namespace queue
