#pragma once
#include <cstddef>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mta/base/time.h"
#include "mta/outbound/report_request.h"
#include "queue/message.h"

namespace mta::outbound {

// Recipients that were given up and are not yet in a report. Failures of one message
// within a short time make one report: it is due a minute after the first of them. The caller may
// put it off from minute to minute while other recipients of the message are under way, up to ten
// minutes after the first failure.
//
// Only a cache of what the store has: a recipient stays pending there until its report is made.
class GatheredFailures {
public:
    static constexpr Millis wait{60'000};
    static constexpr Millis wait_max{600'000};
    // Of all messages together, replies included; beyond it the report that is due first is due at
    // once. About 20,000 failures.
    static constexpr std::size_t bytes_max = 8u << 20;

    // `first_wait`: until the report is due, if this is the message's first failure.
    void add(queue::MessageId id, RecipientOutcome failure, Instant now, Millis first_wait = wait);
    // How many wait for the message's report.
    [[nodiscard]] std::size_t count(queue::MessageId id) const;
    [[nodiscard]] std::vector<RecipientOutcome> take(queue::MessageId id);
    // The message has left the queue.
    void forget(queue::MessageId id) { (void)take(id); }

    // The report that is to be made now: take() it, or put_off().
    [[nodiscard]] std::optional<queue::MessageId> due(Instant now) const;
    // Makes the report wait on, unless it has waited long enough or the room is needed.
    [[nodiscard]] bool put_off(queue::MessageId id, Instant now);
    [[nodiscard]] std::optional<Instant> next_due() const;

private:
    struct Gathered {
        std::vector<RecipientOutcome> failures;
        Instant first;
        Instant due;
        std::size_t bytes = 0;
    };

    std::unordered_map<queue::MessageId, Gathered> by_message_;
    std::set<std::pair<Instant, queue::MessageId>> by_due_;
    std::size_t bytes_ = 0;
};

}  // namespace mta::outbound
