#pragma once
#include <functional>
#include <utility>
#include <vector>

#include "mta/base/time.h"
#include "mta/events/event.h"

namespace mta::events {

// Hands each event to every sink, in the order in which the sinks were added. One Dispatcher a
// thread; all sinks are added before the first event, and what they refer to outlives it.
class Dispatcher {
public:
    // Called in the middle of the sender's work: it must not call back into the sender. It copies
    // what it keeps.
    using Sink = std::function<void(Instant at, const Event& event)>;

    void add(Sink sink) { sinks_.push_back(std::move(sink)); }
    void send(Instant at, const Event& event) const {
        for (const auto& sink : sinks_) sink(at, event);
    }

private:
    std::vector<Sink> sinks_;
};

}  // namespace mta::events
