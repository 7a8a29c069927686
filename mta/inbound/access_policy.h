#pragma once
#include <optional>
#include <string_view>

#include "conf/settings.h"
#include "mta/base/ip_address.h"
#include "mta/smtp/server/server_options.h"
#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/syntax/address.h"

namespace mta::inbound {

// What is known of a client when a decision about it is made.
struct ClientIdentity {
    IpAddress address;
};

// Decides what a client may do (conf `[relay]`): clients in `networks` may send anywhere, and every
// client may send to `domains`. Nothing else gives the right to relay, so only an explicit line of
// configuration can make an open relay.
//
// The policy is asked at each decision, with what is known of the client by then.
class AccessPolicy {
public:
    // Both must outlive the policy.
    AccessPolicy(const conf::Relay& relay, const conf::Inbound& inbound)
        : relay_(relay), inbound_(inbound) {}

    [[nodiscard]] smtp::ClientRights rights_of(const ClientIdentity& client) const;
    // The reply if the client may not send to that recipient (550 5.7.1).
    [[nodiscard]] std::optional<smtp::ServerReply> refusal_of(const ClientIdentity& client,
                                                              const smtp::Address& recipient) const;
    [[nodiscard]] bool may_relay_anywhere(const ClientIdentity& client) const;
    // The client's MT-PRIORITY counts (conf `[inbound] priority_networks`).
    [[nodiscard]] bool may_prioritise(const ClientIdentity& client) const;
    // The client's ETRN is obeyed (conf `[relay] etrn_networks`).
    [[nodiscard]] bool may_wake(const ClientIdentity& client) const;
    // `domain` in the form of mta::to_a_labels(). A domain literal ("[192.0.2.1]") is never ours.
    [[nodiscard]] bool is_relay_domain(std::string_view domain) const;

private:
    const conf::Relay& relay_;
    const conf::Inbound& inbound_;
};

}  // namespace mta::inbound
