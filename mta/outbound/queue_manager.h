#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/time.h"
#include "mta/base/wake_up.h"
#include "mta/outbound/desk/operator_desk.h"
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
    // The commit failed, and no client was answered 250: the message is dropped; a transaction before
    // its final dot is broken off. Does nothing if the id is not known.
    void forget(queue::MessageId id);
    // From Store::load(). What was pending keeps its due time. What has outlived its lifetime is
    // due now, and given up when that attempt fails.
    void load(const queue::QueuedMessage& message);

    // What a former process knew of troubles (hints()). Before any mail comes.
    void restore(Hints hints);

    // ---- Time ----

    void tick();
    // Empty if only a callback or an entry point can bring work.
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
    // store gets that before the call returns.
    void cut();
    // After drain(): nothing is under way any more. What the store has got may still be on its
    // way.
    [[nodiscard]] bool is_idle() const;

    // What is worth keeping over a restart, of destinations and addresses (Hint); it is worth doing
    // again when the version has grown.
    [[nodiscard]] Hints hints() const;
    [[nodiscard]] std::uint64_t hints_version() const;

    // For tests after a tick(): walks over everything that waits, and says what is wrong if something
    // has neither a timer nor an owner. Empty if nothing is wrong.
    [[nodiscard]] std::string check() const;

    // ---- Questions and orders ----

    // A client asks for the mail of its domains (ETRN): domains of relay.domains that have a static
    // route, in the background, and as often as it likes. `domain` is in the form of
    // mta::to_a_labels(); with `is_tree` all domains below it are included.
    [[nodiscard]] WakeUp wake(const std::string& domain, bool is_tree);
    // What operators ask and order, as a port.
    [[nodiscard]] OperatorDesk& desk();
    [[nodiscard]] const OperatorDesk& desk() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace mta::outbound
