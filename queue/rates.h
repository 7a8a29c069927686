#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>

#include "mta/base/rate.h"
#include "mta/base/time.h"
#include "queue/token_bucket.h"

namespace queue {

// What a delivery takes from a destination's rates.
struct DeliveryNeeds {
    bool message = true;
    bool connection = true;  // false: there is an idle one
    // So many connections more than Destination::limit() may be at work: some of them do not count.
    std::uint32_t beyond_limit = 0;
};

// What was taken from a destination's rates: TokenBucket::last_taken(), of those that still matter.
struct RatesTaken {
    std::optional<mta::Instant> messages;
    std::optional<mta::Instant> connections;
    bool operator==(const RatesTaken&) const = default;
    [[nodiscard]] bool is_empty() const { return !messages && !connections; }
};

// The rates of a destination: how many messages, and how many attempts to connect, it takes in a
// time.
class Rates {
public:
    // An empty rate is unlimited.
    void set(std::optional<mta::Rate> messages, std::optional<mta::Rate> connections) {
        messages_.set_rate(messages);
        connections_.set_rate(connections);
    }

    [[nodiscard]] bool may_take_message(mta::Instant now) const { return messages_.may_take(now); }
    [[nodiscard]] bool may_take_connection(mta::Instant now) const {
        return connections_.may_take(now);
    }
    // When all that is needed may be taken. A time that has passed means now.
    [[nodiscard]] mta::Instant next_allowed(DeliveryNeeds needs) const {
        return std::max(needs.message ? messages_.next() : mta::Instant{},
                        needs.connection ? connections_.next() : mta::Instant{});
    }
    // Only from next_allowed() on.
    void take(mta::Instant now, DeliveryNeeds needs) {
        if (needs.message) messages_.take(now);
        if (needs.connection) connections_.take(now);
    }

    // How far the rates are used: after a take(), what give_back() asks for.
    struct Taken {
        mta::Instant messages;
        mta::Instant connections;
    };
    [[nodiscard]] Taken taken() const {
        return {messages_.forgotten_at(), connections_.forgotten_at()};
    }
    // The delivery does not begin now: when it does, it takes again what it needs then.
    void give_back(const Taken& taken, DeliveryNeeds what) {
        if (what.message) messages_.give_back(taken.messages);
        if (what.connection) connections_.give_back(taken.connections);
    }
    // From then on the rates no longer depend on what was sent.
    [[nodiscard]] mta::Instant forgotten_at() const {
        return std::max(messages_.forgotten_at(), connections_.forgotten_at());
    }

    // What is kept over a restart.
    [[nodiscard]] RatesTaken last_taken(mta::Instant now) const {
        return {messages_.last_taken(now), connections_.last_taken(now)};
    }
    void restore(const RatesTaken& taken, mta::Instant now) {
        if (taken.messages) messages_.restore({.last_taken = *taken.messages, .now = now});
        if (taken.connections) connections_.restore({.last_taken = *taken.connections, .now = now});
    }

private:
    TokenBucket messages_;
    TokenBucket connections_;
};

}  // namespace queue
