#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dns/resolver.h"
#include "mta/outbound/connection_pool.h"
#include "mta/outbound/core.h"
#include "mta/outbound/ledger.h"
#include "mta/outbound/lines.h"
#include "mta/outbound/message_copies.h"
#include "mta/outbound/site.h"

namespace mta::outbound {

// Carries bundles to their sites: each delivery is one attempt.
//
//   reading -> [on a kept connection] -----------------------------> transaction -> settled
//           -> host after host, address after address: connecting -> transaction -> settled
//
// Which failure goes on to the next host within the attempt, and what is charged when no host is
// left, is decided here and nowhere else (what a reply means: smtp/reply_policy.h):
//
//   5xx for a recipient or the message         final: no other host is asked (RFC 5321 section 5.1)
//   4xx for a recipient (RCPT)                 this attempt's answer, charged: another MX would ask
//                                              the same mailbox, or greylist a second time
//   "too many recipients" (452, 552), when     nothing is charged: they go in the next
//   some have been taken                       transaction, at once
//   4xx for the message (MAIL, DATA, body)     the next host; charged if none takes it
//   reply to the final dot lost                in doubt, charged: another host now could duplicate
//   host level (connect, greeting, EHLO, 421)  the next address or host; nothing is charged to the
//                                              message: the destination pays with its health
//   DNS of a host, for now                     the next host; then as host level
//   DNS, for good (no such host at all)        a failure of the message, by MX; of a static route's
//                                              hosts: the operator's mistake, as host level
//   a kept connection that was gone            nothing happened: a new connection, once
//
// An attempt tries at most delivery.addresses_per_attempt_max addresses and 2 sessions.
class Deliveries {
public:
    struct Parts {
        SiteTable& sites;
        Lines& lines;
        Ledger& ledger;
        MessageCopies& copies;
    };
    Deliveries(Core& core, Parts parts);

    [[nodiscard]] ConnectionPool& pool() { return pool_; }
    [[nodiscard]] const ConnectionPool& pool() const { return pool_; }
    // Connections that are open or are going to be.
    [[nodiscard]] std::uint32_t connections() const { return pool_.total() + unconnected_; }
    [[nodiscard]] std::size_t count() const { return all_.size(); }

    // Of a bundle that is being delivered.
    struct Progress {
        std::string remote;               // whom we speak to; empty: on the way to it
        std::optional<Instant> deadline;  // until then the host must say something
    };
    [[nodiscard]] Progress progress_of(std::uint32_t bundle) const;

    // Begins with the site's next bundle. Only if its destination may_start(), and a connection is
    // idle or may be opened.
    void start(std::uint32_t site);
    // The message is no longer ours: a transaction that cannot have been taken yet is broken off,
    // of the others the outcome is ignored. Its recipients are in no bundle afterwards.
    void forget(std::uint32_t message);
    // Breaks off, uncharged, what is not in a transaction; the rest goes on to its end.
    void drain();
    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const;

private:
    using How = queue::Destination::Ended::How;
    static constexpr std::uint32_t sessions_max = 2;  // of an attempt

    struct Delivery {
        std::uint32_t bundle = queue::nothing;  // nothing: forgotten
        std::uint32_t site = 0;
        std::uint32_t message = 0;
        queue::MessageId id = 0;
        std::shared_ptr<const queue::Message> content;
        std::vector<std::uint32_t> recipients;  // still to be served in this attempt
        // Message-level errors of those, beside them; empty ones: none.
        std::vector<std::optional<DeliveryError>> refusals;
        bool is_probe = false;
        bool holds_connection = true;  // counts among the site's busy ones
        bool was_answered = false;     // some host has said something about the message
        std::uint64_t successes_at_start = 0;
        std::optional<DeliveryError> host_error;  // the most telling one
        // The way from host to host.
        bool is_planned = false;
        std::vector<conf::NextHopHost> hosts;
        std::size_t next_host = 0;
        std::vector<Endpoint> addresses;
        std::size_t next_address = 0;
        std::string host;
        std::uint32_t addresses_tried = 0;
        std::uint32_t sessions = 0;
        std::uint32_t fresh_starts = 0;
        std::uint32_t connection = queue::nothing;
        bool is_unconnected = false;  // counted as such
        // What it has taken from the site's rates and not used yet.
        bool may_send = true;
        bool may_connect = false;
        std::size_t index = 0;  // in all_
    };
    using DeliveryPtr = std::shared_ptr<Delivery>;
    // What a connection is busy with.
    struct Work {
        DeliveryPtr reserved;             // reads its message, and will have the connection then
        DeliveryPtr opening;              // waits for it to be ready
        DeliveryPtr leaving;              // waits for its end, to go on elsewhere
        std::vector<DeliveryPtr> active;  // in the order of their transactions
    };

    [[nodiscard]] DeliveryPtr make(std::uint32_t site);
    void read(const DeliveryPtr& delivery);
    void on_read(const DeliveryPtr& delivery, queue::StoreResult<queue::StoredMessage> stored);
    void connect(const DeliveryPtr& delivery);
    void set_unconnected(Delivery& delivery, bool is_unconnected);

    void walk(const DeliveryPtr& delivery);
    [[nodiscard]] Result<std::vector<conf::NextHopHost>> plan_hosts(const Delivery& delivery);
    void advance(const DeliveryPtr& delivery);
    void look_up(const DeliveryPtr& delivery, const conf::NextHopHost& host);
    void note_addresses(Delivery& delivery, std::uint16_t port,
                        const dns::Lookup<dns::AddressAnswer>& answer);
    [[nodiscard]] bool take_from_rates(const DeliveryPtr& delivery);
    void open(const DeliveryPtr& delivery, const Endpoint& endpoint);

    void on_ready(std::uint32_t connection);
    void on_room(std::uint32_t connection);
    void on_transaction_end(std::uint32_t connection, const Connection::TransactionEnd& ended);
    void on_end(std::uint32_t connection, const std::optional<DeliveryError>& error);
    void transact(const DeliveryPtr& delivery, std::uint32_t connection);
    void start_afresh(const DeliveryPtr& delivery, std::uint32_t connection);
    void go_on_after(const DeliveryPtr& delivery, std::uint32_t connection);
    void judge(const DeliveryPtr& delivery, const smtp::ClientSession::TransactionEnded& outcome,
               std::uint32_t connection);

    void note_host_failure(Delivery& delivery, const DeliveryError& error);
    void settle(Delivery& delivery, std::span<const Outcome> outcomes);
    void settle_all(const DeliveryPtr& delivery, std::span<const Outcome> outcomes, How how);
    void give_up(const DeliveryPtr& delivery);
    void end(const DeliveryPtr& delivery, How how);
    void remove(Delivery& delivery);
    [[nodiscard]] Work& work_of(std::uint32_t connection);

    Core& core_;
    Parts parts_;
    ConnectionPool pool_;
    std::vector<DeliveryPtr> all_;
    std::vector<Work> work_;  // by connection
    std::uint32_t unconnected_ = 0;
    // On their way from host to host: until the site's rates allow the next connection.
    std::multimap<Instant, std::weak_ptr<Delivery>> paused_;
};

}  // namespace mta::outbound
