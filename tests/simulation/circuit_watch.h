#pragma once
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "mta/outbound/queue_manager.h"
#include "tests/outbound/world.h"

namespace simulation {

// Sees to it that what is down is probed by one at a time: counts the connections in the network
// that were begun since, whatever the relay thinks that it does.
class CircuitWatch {
public:
    explicit CircuitWatch(const world::FakeConnector& connector) : connector_(connector) {}

    // Another process of the relay begins, and knows so much from the last one.
    void start(mta::Instant now, const mta::outbound::Hints& hints);
    void note(const mta::outbound::DeliveryEvent& event);
    // After each turn.
    void check(const mta::outbound::QueueManager& manager);

private:
    using ConnectId = mta::io::Connector::ConnectId;
    struct Circuit {
        mta::Instant down_since;
        ConnectId last_before = 0;  // connections after this one are probes,
        // but for those of attempts that had begun before it went down
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
    std::map<std::string, Circuit> down_;                                   // by destination
    std::map<std::string, std::deque<queue::MessageId>> started_attempts_;  // likewise
    std::vector<std::string> restored_;  // keys of destinations that were down at the start
};

}  // namespace simulation
