#pragma once
#include "mta/base/time.h"
#include "queue/destination.h"

namespace mta::outbound {

// What an attempt has taken from the rates of its destination and not used yet: one message, one
// connection. A rate counts what begins. What was taken is therefore given back when the attempt
// does not begin within kept_for, and taken again when it does.
class RatesHeld {
public:
    static constexpr Millis kept_for{1'000};

    // The attempt begins: Destination::start() has taken these needs.
    void begin(const queue::Destination& destination, queue::Destination::Needs taken,
               Instant now) {
        taken_ = destination.rates().taken();
        at_ = now;
        may_send_ = taken.message;
        may_connect_ = taken.connection;
    }
    // What the next connection, with its transaction, still has to take.
    [[nodiscard]] queue::Destination::Needs needs() const {
        return {.message = !may_send_, .connection = !may_connect_};
    }
    // Takes that. Only from Rates::next_allowed(needs()) on.
    void take(queue::Destination& destination, Instant now) {
        const auto wanted = needs();
        destination.rates().take(now, wanted);
        const auto taken = destination.rates().taken();
        if (wanted.message) taken_.messages = taken.messages;
        if (wanted.connection) taken_.connections = taken.connections;
        at_ = now;
        may_send_ = may_connect_ = true;
    }
    // The transaction follows on a connection that is there: only the message is needed.
    [[nodiscard]] queue::Destination::Needs needs_on_connection() const {
        return {.message = !may_send_, .connection = false};
    }
    void use_connection() { may_connect_ = false; }
    void use_message() { may_send_ = false; }

    [[nodiscard]] bool is_stale(Instant now) const { return now - at_ >= kept_for; }
    void give_back(queue::Destination& destination) {
        destination.rates().give_back(taken_, {.message = may_send_, .connection = may_connect_});
        may_send_ = may_connect_ = false;
    }

private:
    queue::Rates::Taken taken_;
    Instant at_;
    bool may_send_ = true;
    bool may_connect_ = false;
};

}  // namespace mta::outbound
