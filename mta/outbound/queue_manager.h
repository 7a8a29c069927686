#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mta/base/time.h"
#include "mta/base/wake_up.h"
#include "mta/outbound/desk/endings.h"
#include "mta/outbound/desk/message_filter.h"
#include "mta/outbound/desk/operator_desk.h"
#include "mta/outbound/desk/queue_sweep.h"
#include "mta/outbound/desk/queue_view.h"
#include "mta/outbound/desk/tracing.h"
#include "mta/outbound/destination/hint.h"
#include "mta/outbound/ports.h"
#include "queue/message.h"
#include "queue/store.h"

namespace mta::outbound {

// The heart of the relay: takes every message that was accepted, routes it, delivers it, retries,
// and reports what cannot be delivered. One a shard.
//
//   accept() ----+                                    +-> store.finish() / update(), with reports
//   load() ------+-> due -> route -> destination -> attempt -> outcome per recipient
//                     ^                                    |
//                     +----------- retry schedule <--------+
//
// It is free of sockets, files and clocks: it reaches the world through three ports and is driven
// from outside.
//   - Hooks::now is the driver's clock reading, the same throughout a turn of its loop. It never
//     goes back. When it leaps ahead (a minute and more beyond next_wakeup()), mail whose lifetime
//     ends with that is tried once more before it is given up, as after a restart.
//   - Whenever something was left to be done (by an entry point or by a port's callback) it calls
//     Hooks::request_tick once; the driver then calls tick() before its turn ends. All deliveries
//     are started there, and what is finished is destroyed there.
//   - After each tick() the driver sees to it that the next one comes at next_wakeup() at the
//     latest.
// Hooks are never called from within a constructor or destructor. They may call back only the
// const members.
//
// All members on the shard's thread. The ports must outlive it.
class QueueManager {
public:
    using Ports = outbound::Ports;
    using Hooks = outbound::Hooks;
    using SettingsPtr = outbound::SettingsPtr;

    // `seed`: of the jitter and of the order among MX hosts of equal preference.
    QueueManager(SettingsPtr settings, Ports ports, Hooks hooks, std::uint64_t seed);
    QueueManager(const QueueManager&) = delete;
    QueueManager& operator=(const QueueManager&) = delete;
    ~QueueManager();

    // ---- Mail comes in ----

    // Write-through: to be called right after Store::enqueue() was, without waiting for the commit.
    // Delivery starts at once from RAM.
    void accept(std::shared_ptr<const queue::Message> message);
    // The commit failed and nobody was told 250: the message is dropped; a transaction before its
    // final dot is broken off. Does nothing if the id is not known.
    void forget(queue::MessageId id);
    // From Store::load(). What was pending keeps its due time. What has outlived its lifetime is
    // due now, and given up when that attempt fails.
    void load(const queue::QueuedMessage& message);

    // What a former process knew of troubles (hints()). Before any mail comes.
    void restore(Hints hints);

    // What was ordered so far is on disk and synced.
    void when_durable(queue::Store::OnDone on_durable);

    // ---- Time ----

    void tick();
    // Nothing: only a callback or an entry point can bring work.
    [[nodiscard]] std::optional<Instant> next_wakeup() const;

    // ---- The daemon's life ----

    // New settings count from the next attempt on; what is being delivered is not disturbed.
    void reload(SettingsPtr settings);
    // Addresses that are our own, never to be delivered to by MX (mail loops). Default: none.
    void set_own_addresses(std::vector<IpAddress> addresses);
    // Starts nothing new. A transaction past its final dot is finished; the others are broken off
    // without being charged, idle connections are closed.
    void drain();
    // After drain(): what is past its final dot is waited for no longer. It is in doubt, and the
    // store is told so before the call returns.
    void cut();
    // After drain(): nothing is under way any more. What the store was told may still be on its
    // way.
    [[nodiscard]] bool is_idle() const;

    // What is worth keeping over a restart, of destinations and addresses (Hint); it is worth doing
    // again when the version has grown.
    [[nodiscard]] Hints hints() const;
    [[nodiscard]] std::uint64_t hints_version() const;

    // ---- Questions ----

    [[nodiscard]] Counters counters() const;
    // Looks at some messages, and hands over those that match (but for what only the disk can tell:
    // MessageFilter::is_by_hash()). Where to go on in another turn of the loop; nothing: that was
    // all. Costs some 10 ms for a million messages.
    [[nodiscard]] std::optional<ScanCursor> scan(const MessageFilter& filter,
                                                 const ScanRange& range, const OnHit& on_hit) const;
    // One message without what is on disk; nothing: not in the queue (any more).
    [[nodiscard]] std::optional<MessageView> find(queue::MessageId id) const;
    // The same with sender and addresses, read from the store, with what blocks each recipient and
    // what was tried.
    void describe(queue::MessageId id, OnDescribed on_described);
    // Sorted by name. Empty `name`: all that have mail, connections or trouble.
    [[nodiscard]] std::vector<DestinationView> destinations(const std::string& name = {}) const;
    // Of these the first `limit`.
    [[nodiscard]] DestinationList busy_destinations(std::size_t limit) const;
    // Of those that are down the `limit` with most mail in line, of as many the longest down first.
    [[nodiscard]] DestinationList destinations_in_trouble(std::size_t limit) const;
    // Nothing: no mail for it. `domain` in the form of mta::to_a_labels().
    [[nodiscard]] std::optional<DomainView> domain(const std::string& domain) const;

    [[nodiscard]] Latencies latencies() const;
    // One step of a walk over the queue, of at most `messages_max` messages; until it is_done.
    void sweep(QueueSweep& sweep, std::size_t messages_max) const;
    // `count` destinations with the most mail, and `count` others with the oldest.
    [[nodiscard]] DepthSummary summarize(const QueueSweep& sweep, std::size_t count) const;
    // Recipients who were given up not long ago, the oldest first; at most the newest `limit`.
    [[nodiscard]] std::vector<EndingView> endings(const Endings::Query& query,
                                                  std::size_t limit) const;

    // The SMTP dialogue of coming attempts for an address or a domain: Tracing::fetch() and end().
    [[nodiscard]] std::expected<Tracing::Fetched, std::string> trace(const std::string& watcher,
                                                                     const std::string& what);
    void end_trace(const std::string& watcher);

    // Whether everything that waits has a timer or an owner: a walk over all of it, for tests after
    // a tick(). Empty: yes; else what is wrong.
    [[nodiscard]] std::string check() const;

    // ---- Orders ----

    // Everything that waits for its next attempt is due now, and what is down is probed now. Held
    // mail stays held, and what waits for the release that its sender asked for waits on. Returns
    // the number of recipients touched. Mail that was named, by domain or message, goes out of its
    // route's hours too, once (DeliveryHours); flush() leaves those alone.
    std::size_t flush();
    // ".sub.tree": all domains below it.
    std::size_t flush_domain(const std::string& domain);
    std::size_t flush_message(queue::MessageId id, const RecipientNumbers& only = std::nullopt);
    // The same for clients that may ask for it (ETRN): for domains of relay.domains that have a
    // static route, in the background, and as often as one likes. `domain` in the form of
    // mta::to_a_labels(); `is_tree`: all below it too.
    [[nodiscard]] WakeUp wake(const std::string& domain, bool is_tree);
    // Each touches those of `only` that are open and not being delivered, and returns their number.
    // release: ends a hold or, of what is not held, the wait for the release that its sender asked
    // for. cancel: gone without a report. bounce: given up with a report, `reason` in it.
    std::size_t hold(queue::MessageId id, const RecipientNumbers& only = std::nullopt);
    std::size_t release(queue::MessageId id, const RecipientNumbers& only = std::nullopt);
    std::size_t cancel(queue::MessageId id, const RecipientNumbers& only = std::nullopt);
    std::size_t bounce(queue::MessageId id, const std::string& reason,
                       const RecipientNumbers& only = std::nullopt);

    // What operators ask and order, as a port.
    [[nodiscard]] OperatorDesk& desk();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace mta::outbound
