#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "mta/base/rate.h"
#include "mta/base/time.h"
#include "queue/bundle.h"
#include "queue/concurrency.h"
#include "queue/health.h"
#include "queue/pace.h"
#include "queue/rates.h"
#include "queue/waiting_bundles.h"

namespace queue {

struct DestinationPolicy {
    ConcurrencyPolicy concurrency;
    ProbePolicy probes;
    // Empty: no limit.
    std::optional<mta::Rate> message_rate = std::nullopt;
    std::optional<mta::Rate> connection_rate = std::nullopt;  // of attempts to connect
};

// A next hop, with everything that is shared by the mail for it: the bundles that
// wait, its health (a circuit with one probe at a time), the number of connections that it may have,
// its rates and its pace.
//
// Each wait has a name. A bundle in line waits for the first of these that holds, and `why` shows
// it:
//   closed           the begin of the destination's hours (the caller's open())
//   down             the probe (health().next_probe(); empty while it is under way)
//   slowed           the end of a pause (next_start()): the destination is up and breaks sessions;
//                    only for a bundle that needs a new connection
//   limit            a connection of this destination to become free
//   message_rate     the time at which the message rate allows the next one (Rates)
//   connection_rate  the same of the connection rate; only for a bundle that needs a new connection
//   mailbox          the end of the delivery to a mailbox: all bundles stand aside (the caller's)
//   turn             its turn among the destinations (the caller's limit over all of them)
class Destination {
public:
    using Needs = DeliveryNeeds;
    enum class Wait : std::uint8_t {
        turn,
        closed,
        down,
        slowed,
        limit,
        message_rate,
        connection_rate,
        mailbox,
        empty
    };

    Destination(std::string name, DestinationPolicy policy)
        : name_(std::move(name)), concurrency_(policy.concurrency) {
        set_policy(policy);
    }

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const Health& health() const { return health_; }
    [[nodiscard]] std::uint32_t limit() const { return concurrency_.limit(); }
    [[nodiscard]] std::uint32_t delivering() const { return delivering_; }
    // Connections that are at work or being opened: what limit() limits.
    [[nodiscard]] std::uint32_t busy() const { return busy_; }
    [[nodiscard]] std::uint32_t waiting() const { return bundles_.size(); }
    // The caller takes it when an attempt begins and returns it with the end of the attempt, which
    // shows what has changed in between.
    struct Mark {
        std::uint64_t successes = 0;
        std::uint32_t epoch = 0;
    };
    [[nodiscard]] Mark mark() const { return {health_.successes(), concurrency_.epoch()}; }

    [[nodiscard]] WaitingBundles& bundles() { return bundles_; }
    [[nodiscard]] const WaitingBundles& bundles() const { return bundles_; }
    [[nodiscard]] Rates& rates() { return rates_; }
    [[nodiscard]] const Rates& rates() const { return rates_; }

    // ---- Deliveries ----
    [[nodiscard]] Wait wait(mta::Instant now, Needs needs = {}) const;
    [[nodiscard]] bool may_start(mta::Instant now, Needs needs = {}) const {
        return wait(now, needs) == Wait::turn;
    }
    // Begins a delivery on a connection of its own. Only if may_start(). Returns true if it is the
    // probe.
    bool start(mta::Instant now, Needs needs = {});
    // Whether a delivery may follow another one on the same connection before that has ended
    // (pipelining). It needs no further connection. Only while up and with bundles in line.
    [[nodiscard]] bool may_follow(mta::Instant now) const {
        return !is_closed_ && health_.is_up() && bundles_.in_line() > 0 &&
               rates_.may_take_message(now);
    }
    void start_behind(mta::Instant now);
    [[nodiscard]] bool is_slowed() const { return pace_.is_slowed(); }
    // While slowed: when the next connection may begin.
    [[nodiscard]] mta::Instant next_start() const { return pace_.next_start(); }
    struct Ended {
        bool was_probe = false;
        bool frees_connection = true;  // no other delivery follows on its connection
        enum class How : std::uint8_t {
            answered,  // the remote answered about the message: it works
            broken,    // a host was up (EHLO), but the session broke in the middle of the message
            failed,    // no host could be spoken to
            unknown,   // broken off, or nothing was learnt about the host
        } how = How::answered;
        Mark at_start = {};
        bool may_grow = true;      // nothing but the destination's own limit held it back
        mta::DeliveryError error;  // failed
        SenderGroup sender;        // broken: the bundle's
        BrokenAt broken_at;        // broken
        double jitter = 0;         // in [-1, 1]
    };
    enum class Change : std::uint8_t { none, went_down, came_up };
    Change end(Ended ended, mta::Instant now);

    // For an operator's order to try now.
    void probe_now(mta::Instant now) {
        health_.probe_now(now);
        pace_.end_pause(now);
    }

    // Outside of its hours nothing begins, not even a probe. What is under way goes on.
    [[nodiscard]] bool is_closed() const { return is_closed_; }
    void close() { is_closed_ = true; }
    // What was known of it is old: if it was down it is probed at once, and its limit on
    // connections grows from one again.
    void open(mta::Instant now) {
        is_closed_ = false;
        concurrency_.on_recovery();
        health_.end_interval(now);
    }
    // What was known before a restart. Only before anything was started.
    void restore(Health::Trouble trouble, mta::Instant now) {
        health_.restore(std::move(trouble), now, policy_.probes);
    }
    void set_policy(DestinationPolicy policy) {
        policy_ = policy;
        concurrency_.set_policy(policy.concurrency);
        rates_.set(policy.message_rate, policy.connection_rate);
    }

private:
    std::string name_;
    DestinationPolicy policy_;
    Health health_;
    Concurrency concurrency_;
    Pace pace_;
    Rates rates_;
    WaitingBundles bundles_;
    std::uint32_t delivering_ = 0;
    std::uint32_t busy_ = 0;
    bool is_closed_ = false;
};

}  // namespace queue
