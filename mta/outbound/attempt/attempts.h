#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mta/outbound/attempt/approach.h"
#include "mta/outbound/attempt/attempt.h"
#include "mta/outbound/attempt/attempt_end.h"
#include "mta/outbound/attempt/attempt_table.h"
#include "mta/outbound/attempt/connection_pool.h"
#include "mta/outbound/attempt/host_look_ups.h"
#include "mta/outbound/attempt/host_queue.h"
#include "mta/outbound/attempt/transactions.h"
#include "mta/outbound/attempt/trials.h"
#include "mta/outbound/context.h"
#include "mta/outbound/desk/attempt_history.h"
#include "mta/outbound/destination/address_health.h"
#include "mta/outbound/destination/host_keywords.h"
#include "mta/outbound/destination/host_limits.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/lifecycle/ledger.h"
#include "mta/outbound/lifecycle/lines.h"
#include "mta/outbound/lifecycle/message_copies.h"
#include "mta/outbound/routing/source_table.h"
#include "queue/bundle.h"
#include "queue/scheduler.h"

namespace mta::outbound {

// Carries bundles to their sites: each is one attempt (Attempt has its states). This class moves
// them from state to state as the store, the resolver, the hosts and the clock answer:
//
//   HostWalk       which host and address is next
//   Approach       the way to a connection: looks up, queues, pauses, connects
//   Transactions   what happens on a connection; the Verdict on each recipient
//   AttemptEnd     what the end of an attempt means for recipients, lines and site
//   HostLookUps    the addresses of hosts
//   HostQueue      attempts that wait for room at a host
//   Trials         whose connection is broken off because others wait for it
//   ConnectionPool the connections
class Attempts {
public:
    struct Parts {
        dns::Resolver& resolver;
        queue::Scheduler& scheduler;
        queue::BundleSlab& bundles;
        const SourceTable& sources;
        SiteTable& sites;
        AddressHealth& addresses;
        Lines& lines;
        Ledger& ledger;
        MessageCopies& copies;
        AttemptHistory& history;
        ConnectionPool::World connections;
    };
    Attempts(Context& context, Parts parts);

    [[nodiscard]] ConnectionPool& pool() { return pool_; }
    [[nodiscard]] const ConnectionPool& pool() const { return pool_; }
    // Connections that are open or are going to be.
    [[nodiscard]] std::uint32_t connections() const { return approach_.connections(); }
    [[nodiscard]] const Approach& approach() const { return approach_; }
    [[nodiscard]] std::size_t count() const { return table_.size(); }

    // Begins with the site's next bundle. Only if its destination may_start(), and a connection is
    // idle or may be opened.
    void start(queue::SiteHandle site);
    // The message is no longer the relay's: a transaction that cannot have been taken yet is broken
    // off, of the others the outcome is ignored. Its recipients are in no bundle afterwards.
    void forget(queue::MessageHandle message);
    // Breaks off, uncharged, every attempt that is not in a transaction; the rest goes on to its
    // end.
    void drain();
    // Ends all connections: a message past its final dot is in doubt. Only after drain().
    void cut();
    // An order: a closed host for which the site waits is asked now, and a probe that is under way
    // asks all hosts.
    void probe_now(queue::SiteHandle site);
    // Attempts of the message that wait for room at a host end, and the mail is in its site's line
    // again, so that an order can have it.
    void put_back_queued(queue::MessageHandle message);
    // After the settings were replaced.
    void apply_settings();
    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const;

    // Of a bundle that is being delivered.
    struct Progress {
        std::string remote;               // the host; empty until one is spoken to or looked up
        std::optional<Instant> deadline;  // the host must answer by then
        // The name servers have been asked for the addresses of `remote` since then.
        std::optional<Instant> looks_up_since;
    };
    [[nodiscard]] Progress progress_of(queue::BundleHandle bundle) const;
    // Since when the oldest look-up of a host of the site is under way, if any is.
    [[nodiscard]] std::optional<Instant> looks_up_since(queue::SiteHandle site) const;
    // The bundle of the site's attempt that waits for room at a host, and until when that is closed
    // (Instant{}: until a connection ends).
    struct Waiting {
        queue::BundleHandle bundle;
        Instant until;
        std::string host;  // "mx.them.example:25"
        std::uint32_t connections = 0;
        std::uint32_t limit = 0;  // of its connections
    };
    [[nodiscard]] std::optional<Waiting> waiting_for_host(queue::SiteHandle site) const;
    // For tests: every attempt that waits will be called, and the counts are right. Empty if so,
    // else what is wrong.
    [[nodiscard]] std::string check() const;

private:
    // Beginning.
    [[nodiscard]] Attempt make(queue::SiteHandle site, bool is_probe);
    AttemptHandle add(Attempt attempt);
    void read(AttemptHandle handle);
    void on_read(AttemptHandle handle, const MessageCopies::ReadResult& read);

    // On a connection.
    void on_connection_event(ConnectionHandle connection, ConnectionPool::Event& event);
    void on_ready(ConnectionHandle connection);
    void on_idle(ConnectionHandle connection);
    void on_room(ConnectionHandle connection);
    [[nodiscard]] bool take_over(AttemptHandle handle);

    // Time.
    void serve(const HostLimits::HostPtr& host);
    void check_look_ups();
    void give_place_up(AttemptHandle handle);
    void break_trials_off();
    [[nodiscard]] bool may_break_off(const Attempt& attempt) const;
    void break_off(AttemptHandle handle, Millis silence);
    void stop(AttemptHandle handle);

    Context& context_;
    Parts parts_;
    HostLimits hosts_;
    HostKeywords keywords_;
    HostQueue queue_;
    Trials trials_;
    AttemptTable table_;
    ConnectionPool pool_;
    AttemptEnd end_;
    HostLookUps look_ups_;
    Approach approach_;
    Transactions transactions_;
    std::uint64_t last_number_ = 0;
};

}  // namespace mta::outbound
