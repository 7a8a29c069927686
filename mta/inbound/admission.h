#pragma once
#include <cstdint>

#include "conf/settings.h"
#include "mta/base/ip_address.h"
#include "mta/inbound/connection_counts.h"

namespace mta::inbound {

// Decides which clients get a connection, and counts the connections, in one place for all
// listeners: the limits are exact however many there are. Only values come and go, so listeners on
// other threads could ask by messages.
//
// Connections are shared out as follows. Strangers get nine tenths of all, one network of strangers
// gets half, and one address what the settings say, so strangers cannot lock out our own clients.
// One address of our own gets half.
class Admission {
public:
    using Verdict = ConnectionCounts::Verdict;
    // A connection that counts. It keeps the limits that it was admitted with.
    struct Ticket {
        IpAddress address;
        ConnectionCounts::Limits limits;
    };

    void configure(const conf::Inbound& settings);

    // `is_own`: the client may relay.
    [[nodiscard]] Verdict verdict(const IpAddress& client, bool is_own) const;
    // The connection counts until leave(). The caller has asked for the verdict before.
    [[nodiscard]] Ticket enter(const IpAddress& client, bool is_own);
    void leave(const Ticket& ticket);

    [[nodiscard]] std::uint32_t connections() const { return counts_.total(); }
    // Connections are scarce: more than three quarters are in use, or they were, and more than six
    // tenths still are. The two thresholds are apart, so that this does not change with each
    // connection.
    [[nodiscard]] bool is_scarce() const { return is_scarce_; }

private:
    [[nodiscard]] ConnectionCounts::Limits limits_for(bool is_own) const;
    void judge_load();

    std::uint32_t connections_max_ = 0;
    std::uint32_t per_address_max_ = 0;  // of strangers; 0: no limit
    ConnectionCounts counts_;
    bool is_scarce_ = false;
};

}  // namespace mta::inbound
