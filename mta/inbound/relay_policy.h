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
    // Both must outlive it.
    RelayPolicy(const conf::Relay& relay, const conf::Inbound& inbound)
        : relay_(relay), inbound_(inbound) {}

    [[nodiscard]] bool may_relay_anywhere(const IpAddress& client) const;
    // Its MT-PRIORITY counts (conf `[inbound] priority_networks`).
    [[nodiscard]] bool may_prioritise(const IpAddress& client) const;
    // Whose ETRN is heard.
    [[nodiscard]] bool may_wake(const IpAddress& client) const;
    // `domain` in the form of mta::to_a_labels(). A domain literal ("[192.0.2.1]") is never ours.
    [[nodiscard]] bool is_relay_domain(std::string_view domain) const;

private:
    const conf::Relay& relay_;
    const conf::Inbound& inbound_;
};

}  // namespace mta::inbound
