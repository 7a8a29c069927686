#pragma once
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "mta/outbound/queue_manager.h"
#include "tests/outbound/world.h"

namespace simulation {

// Checks that a destination that is down is probed by one connection at a time. It counts the
// connections in the network, not what the relay reports about them.
class CircuitWatch {
public:
    explicit CircuitWatch(const world::FakeConnector& connector) : connector_(connector) {}

    // Another process of the relay begins, with these hints from the last one.
    void start(mta::Instant now, const mta::outbound::Hints& hints);
    void note(const mta::events::Event& event);
    // Must be called after each turn.
    void check(const mta::outbound::QueueManager& manager);

private:
    using ConnectId = mta::io::Connector::ConnectId;
    struct Circuit {
        mta::Instant down_since;
        // Later connections are probes, except those of attempts that were under way when the
        // destination went down.
        ConnectId last_before = 0;
        std::set<queue::MessageId> under_way;
    };

    [[nodiscard]] bool may_be_down(const std::string& group) const;
    void look(const mta::outbound::QueueManager& manager,
              const mta::outbound::DestinationView& site);
    void check_group(const mta::outbound::QueueManager& manager, const std::string& group);

    const world::FakeConnector& connector_;
    mta::Instant started_;
    ConnectId last_at_start_ = 0;
    ConnectId last_checked_ = 0;
    bool has_changed_ = false;
    // Both by destination.
    std::map<std::string, Circuit> down_;
    std::map<std::string, std::deque<queue::MessageId>> started_attempts_;
    std::vector<std::string> restored_;  // keys of destinations that were down at the start
};

}  // namespace simulation
