#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/outbound/attempt/attempts.h"
#include "mta/outbound/context.h"
#include "mta/outbound/desk/attempt_history.h"
#include "mta/outbound/desk/endings.h"
#include "mta/outbound/desk/tracing.h"
#include "mta/outbound/destination/address_health.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/lifecycle/delay_notices.h"
#include "mta/outbound/lifecycle/ledger.h"
#include "mta/outbound/lifecycle/lines.h"
#include "mta/outbound/lifecycle/message_copies.h"
#include "mta/outbound/lifecycle/queue_loading.h"
#include "mta/outbound/lifecycle/report_writer.h"
#include "mta/outbound/lifecycle/wake_ups.h"
#include "mta/outbound/lifecycle/whereabouts.h"
#include "mta/outbound/operators/queue_desk.h"
#include "mta/outbound/queue_manager.h"
#include "mta/outbound/routing/router.h"
#include "mta/outbound/routing/source_table.h"
#include "queue/bundle.h"
#include "queue/scheduler.h"

namespace mta::outbound {

// The parts and how they hang together. A recipient's way through them:
//
//   scheduler (due) -> lines (bundle) -> router (site) -> site's line -> attempts
//   -> ledger (outcome: store, reports) -> scheduler (next due, or done)
struct QueueManager::Impl {
    Impl(SettingsPtr settings, Ports world, Hooks hooks, std::uint64_t seed);
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() = default;

    void accept(std::shared_ptr<const queue::Message> message);
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

    // While mail only waits for its hours: no delay notice before this.
    [[nodiscard]] Instant hours_notice_not_before(const queue::MessageEntry& message,
                                                  const queue::RecipientEntry& recipient) const;

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
    Whereabouts whereabouts{scheduler.table(), bundles, sites, router};
    ReportWriter reports{context, endings, totals};
    Ledger ledger;
    Attempts attempts;
    DelayNotices delay_notices;
    QueueDesk desk;
    WakeUps wake_ups;
    QueueLoading loading;
    // Sites that wait until fewer connections are open (Site::is_crowded_out).
    std::deque<queue::SiteHandle> crowded_out;
    bool is_store_stalled = false;  // as the last tick() saw it
};

}  // namespace mta::outbound
