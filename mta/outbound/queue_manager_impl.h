#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/pending.h"
#include "mta/outbound/attempt/attempts.h"
#include "mta/outbound/context.h"
#include "mta/outbound/desk/attempt_history.h"
#include "mta/outbound/desk/endings.h"
#include "mta/outbound/desk/tracing.h"
#include "mta/outbound/destination/address_health.h"
#include "mta/outbound/destination/site.h"
#include "mta/outbound/lifecycle/delay_notices.h"
#include "mta/outbound/lifecycle/ledger.h"
#include "mta/outbound/lifecycle/lines.h"
#include "mta/outbound/lifecycle/message_copies.h"
#include "mta/outbound/lifecycle/wake_ups.h"
#include "mta/outbound/queue_manager.h"
#include "mta/outbound/routing/router.h"
#include "mta/outbound/routing/source_table.h"
#include "queue/bundle.h"
#include "queue/scheduler.h"

namespace mta::outbound {

// As operators see it.
[[nodiscard]] ViewState state_of(const queue::RecipientEntry& recipient);

// The parts and how they hang together. A recipient's way through them:
//
//   scheduler (due) -> lines (bundle) -> router (site) -> site's line -> attempts
//   -> ledger (outcome: store, reports) -> scheduler (next due, or done)
struct QueueManager::Impl {
    class Scan;

    Impl(SettingsPtr settings, Ports world, Hooks hooks, std::uint64_t seed);
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() = default;

    void accept(std::shared_ptr<const queue::Message> message);
    void load(const queue::QueuedMessage& queued);
    void return_damaged(queue::MessageId id, const std::string& damage);
    void return_unloadable(queue::MessageId id);
    void report_unloadable(const queue::StoredMessage& stored);
    void forget(queue::MessageHandle message);
    void fail_parked(queue::DomainHandle domain, const DeliveryError& error);
    void tick();
    void follow_leap();
    void serve(const queue::Scheduler::Work& work);
    void serve_delayed(queue::MessageHandle message);
    void expire(queue::MessageHandle message);
    void call_back_crowded();
    void dispatch();
    [[nodiscard]] std::optional<Instant> next_wakeup() const;
    void reload(SettingsPtr settings);

    // Runs `change` for each recipient of `only` that an order may touch: open, and neither being
    // delivered nor reported. It is out of its bundle then. The number touched.
    template <class Change>
    std::size_t change_recipients(queue::MessageHandle message, const RecipientNumbers& only,
                                  const Change& change);
    // Fails those with 5.3.0 and this reason, without an attempt. The number of them.
    std::size_t fail_open(queue::MessageHandle message,
                          const std::shared_ptr<const queue::Message>& content,
                          const RecipientNumbers& only, const std::string& reason);
    // The site, and those of its addresses that are unwell, are tried at the next chance;
    // `opens_hours`: outside of its hours too.
    void probe_now(queue::SiteHandle site, bool opens_hours);
    // The recipients in these domains; null: in all.
    std::size_t make_due(queue::MessageHandle message, const queue::DomainSet* domains);
    // Those that a domain or ".sub.tree" means, of the domains that the queue knows.
    [[nodiscard]] queue::DomainSet domains_of(const std::string& pattern) const;
    // What its mail waits for is tried now: the DNS, its site, the hours of that.
    void wake_domain(queue::DomainHandle domain, bool has_mail);
    // While mail only waits for its hours: no delay notice before this.
    [[nodiscard]] Instant hours_notice_not_before(const queue::MessageEntry& message,
                                                  const queue::RecipientEntry& recipient) const;
    // Its destination, or its domain's DNS, is down.
    [[nodiscard]] bool waits_for_outage(const queue::RecipientEntry& recipient) const;

    // Where a recipient's mail goes; null: not known yet.
    [[nodiscard]] const Site* site_of(const queue::MessageEntry& message,
                                      const queue::RecipientEntry& recipient) const;
    // Of what it waits for; null: it is in no line.
    [[nodiscard]] const queue::Health* health_of(const queue::RecipientEntry& recipient) const;
    // Why a recipient came to nothing so far: its own last error, else its destination's.
    [[nodiscard]] std::optional<DeliveryError> reason_of(
        const queue::RecipientEntry& recipient) const;
    // The same for the same reason; null: there is none.
    [[nodiscard]] const void* reason_identity(const queue::RecipientEntry& recipient) const;
    [[nodiscard]] DeliveryError reason_or_default(const queue::RecipientEntry& recipient) const;
    [[nodiscard]] MessageView view_of(queue::MessageHandle message) const;
    [[nodiscard]] RecipientView view_of(const queue::MessageEntry& message,
                                        const queue::RecipientEntry& recipient) const;
    void describe_wait(const queue::MessageEntry& message, const queue::RecipientEntry& recipient,
                       RecipientView& view) const;
    [[nodiscard]] DestinationView site_view_of(queue::SiteHandle site) const;
    [[nodiscard]] DestinationList list_sites(bool (*is_meant)(const Site&),
                                             bool (*is_before)(const Site&, const Site&),
                                             std::size_t limit) const;
    // More than view_of() says, of one message.
    void describe_blocker(const queue::RecipientEntry& recipient, RecipientView& view) const;
    void describe_history(queue::MessageHandle message, MessageView& view) const;

    Ports ports;
    Context context;
    SourceTable sources;  // refers into the settings
    queue::Scheduler scheduler;
    queue::BundleSlab bundles;
    const Instant started;
    AttemptHistory history{scheduler.table(), started};
    Endings endings;
    Tracing tracing;
    Counters totals;  // only the *_total ones
    Latencies latencies;
    SiteTable sites;
    AddressHealth addresses;
    MessageCopies copies;
    Lines lines;
    Router router;
    Ledger ledger;
    Attempts attempts;
    DelayNotices delay_notices;
    WakeUps wake_ups;
    // Sites that wait until fewer connections are open (Site::is_crowded_out).
    std::deque<queue::SiteHandle> crowded_out;
    bool is_store_stalled = false;  // as the last tick() saw it
    Pending reads;                  // of the store, for orders and questions
};

}  // namespace mta::outbound
