#pragma once
#include <cstdint>
#include <string_view>

#include "conf/settings.h"
#include "mta/base/ip_address.h"

namespace mta::inbound {

// Who may send where (conf `[relay]`): clients in `networks` anywhere, everybody to `domains`,
// nobody anything else. There is no other way to the right to relay, so that an open relay takes a
// line of configuration.
class RelayPolicy {
public:
    explicit RelayPolicy(const conf::Relay& relay) : relay_(relay) {}

    [[nodiscard]] bool may_relay_anywhere(const IpAddress& client) const;
    // `domain` in the form of mta::to_a_labels(). A domain literal ("[192.0.2.1]") is never ours.
    [[nodiscard]] bool is_relay_domain(std::string_view domain) const;

private:
    const conf::Relay& relay_;  // outlives us
};

}  // namespace mta::inbound
