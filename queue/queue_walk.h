#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "queue/message_table.h"

namespace queue {

// Visits the messages of a table whose indices begin at `from`, until `visit(handle)` returns false
// or `entries_max` entries, used or free, have been passed. Returns the index to go on at, which is
// MessageTable::message_index_end() after the last message. Mail that comes or goes between two
// slices may be missed or, if it has just come, be seen; nothing is seen twice.
template <class Visit>
std::uint32_t visit_slice(const MessageTable& table, std::uint32_t from, std::size_t entries_max,
                          const Visit& visit) {
    const std::size_t last = std::min<std::size_t>(from + entries_max, table.message_index_end());
    for (; from < last; ++from) {
        const MessageHandle message(from);
        if (table.message(message).id != 0 && !visit(message)) return from + 1;
    }
    return from;
}

// A walk over the whole queue, a slice in each turn of the loop.
class QueueWalk {
public:
    static constexpr std::size_t slice = 20'000;

    [[nodiscard]] bool is_under_way() const { return next_.has_value(); }
    void begin() { next_ = 0; }
    // The next slice, if it is under way. Returns true when that was the last.
    template <class Visit>
    bool step(const MessageTable& table, const Visit& visit) {
        if (!next_) return false;
        next_ = visit_slice(table, *next_, slice, [&visit](MessageHandle message) {
            visit(message);
            return true;
        });
        if (*next_ < table.message_index_end()) return false;
        next_.reset();
        return true;
    }

private:
    std::optional<std::uint32_t> next_;
};

}  // namespace queue
