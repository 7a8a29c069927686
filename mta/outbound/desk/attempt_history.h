#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "mta/base/limits.h"
#include "mta/base/time.h"
#include "mta/outbound/desk/queue_view.h"
#include "queue/error_table.h"
#include "queue/message_table.h"

namespace mta::outbound {

// What was tried for the messages in the queue: every host that was asked or could not be, when,
// and what it said in its own words. It is kept in memory within a budget; beyond that the oldest
// attempts of all are forgotten first, and then the answers say so.
//
// A restart forgets it. What the spool still knows then (how many attempts there were, when the
// last one was and what it brought) is one entry of the kind `earlier`.
class AttemptHistory {
public:
    // `table` outlives it. `started`: attempts before it are the spool's to know.
    AttemptHistory(const queue::MessageTable& table, Instant started,
                   std::size_t bytes_max = limits::attempt_history_bytes_max)
        : table_(table), started_(started), bytes_max_(bytes_max) {}

    struct Attempt {
        std::uint32_t recipient = 0;  // its number in the envelope
        AttemptView::Kind kind = AttemptView::Kind::not_charged;
        Instant at;
        const DeliveryError& error;
    };
    // Before the scheduler and the table are changed. An answer that was noted as not charged,
    // and is charged now that no other host has taken the recipient, stays one entry.
    void note(queue::MessageHandle message, const Attempt& attempt);
    // It leaves the queue.
    void forget(queue::MessageHandle message);

    struct Remembered {
        std::vector<std::vector<AttemptView>> recipients;  // by number; the oldest first
        bool is_cut = false;                               // there were more, that are forgotten
    };
    // Of each recipient the newest limits::attempts_shown_max.
    [[nodiscard]] Remembered of(queue::MessageHandle message) const;

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    // In memory, about.
    [[nodiscard]] std::size_t bytes() const;

private:
    struct Entry {
        Instant at;
        std::uint32_t back = 0;  // to the message's entry before: so many entries; 0: none
        queue::ErrorHandle words;
        std::uint16_t recipient = 0;
        std::uint16_t attempts = 0;  // earlier: so many
        AttemptView::Kind kind = AttemptView::Kind::not_charged;
    };
    static_assert(sizeof(Entry) <= 24);

    [[nodiscard]] bool is_from_before(const queue::RecipientEntry& recipient) const;
    [[nodiscard]] AttemptView earlier(const queue::RecipientEntry& recipient) const;
    // How many entries ago, from the end on, the message's newest is: 1 is the last of all. 0: none
    // was noted; more than size(): it is forgotten.
    [[nodiscard]] std::size_t distance_to_newest(queue::MessageHandle message) const;
    [[nodiscard]] Entry* find_uncharged(queue::MessageHandle message, std::uint32_t recipient,
                                        const DeliveryError& error);
    void append(queue::MessageHandle message, Entry entry, const DeliveryError& error);

    const queue::MessageTable& table_;
    Instant started_;
    std::size_t bytes_max_;
    std::deque<Entry> entries_;
    std::uint64_t forgotten_ = 0;  // from the front of entries_
    std::vector<std::uint32_t>
        newest_;  // by the message's index: its newest entry's number, from 1; 0: none
    queue::ErrorTable words_;
};

}  // namespace mta::outbound
