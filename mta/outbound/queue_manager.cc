#include "mta/outbound/queue_manager.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/earliest.h"
#include "mta/outbound/queue_manager_impl.h"

namespace mta::outbound {

namespace {

queue::RetryPolicy retry_policy(const conf::Retry& retry) {
    return {.schedule = retry.schedule,
            .max_interval = retry.max_interval,
            .jitter_percent = retry.jitter_percent,
            .lifetime = retry.lifetime,
            .bounce_lifetime = retry.bounce_lifetime,
            .delay_notices = retry.delay_notices};
}

// The driver is late by more than this: the clock has leapt, or the machine slept.
constexpr Millis leap_min{60'000};
// How often it looks whether a store that is stalled writes again.
constexpr Millis stalled_look{1'000};

}  // namespace

QueueManager::Impl::Impl(SettingsPtr settings, Ports world, Hooks hooks, std::uint64_t seed)
    : ports(world),
      context(std::move(settings), std::move(hooks)),
      sources(context.settings().sources),
      scheduler(
          retry_policy(context.settings().retry),
          [this](std::string_view domain) { return Router::lifetime_of(router.routes(), domain); },
          seed, context.now()),
      started(context.now()),
      sites(context),
      copies(context, ports.store, scheduler.table()),
      lines(context, scheduler, bundles, sites),
      router(context, {ports.resolver, scheduler, bundles, sources, sites},
             {.on_routed = [this](queue::DomainHandle domain) { lines.on_routed(domain); },
              .on_unroutable = [this](queue::DomainHandle domain,
                                      const DeliveryError& error) { fail_parked(domain, error); },
              .on_moved = [this](queue::DomainHandle domain) { lines.note_moved(domain); }}),
      ledger(
          context, {ports.store, scheduler, copies, history, reports, endings, totals, latencies},
          {.on_report =
               [this](std::shared_ptr<const queue::Message> report) { accept(std::move(report)); },
           .on_damaged =
               [this](queue::MessageHandle message, const auto& content,
                      const std::string& reason) {
                   desk.orders().fail_open(message, content, std::nullopt, reason);
               },
           .reason_of =
               [this](const auto& recipient) { return whereabouts.reason_or_default(recipient); },
           .waits_for_outage =
               [this](const auto& recipient) { return whereabouts.waits_for_outage(recipient); }}),
      attempts(context,
               {.resolver = ports.resolver,
                .scheduler = scheduler,
                .bundles = bundles,
                .sources = sources,
                .sites = sites,
                .addresses = addresses,
                .lines = lines,
                .ledger = ledger,
                .copies = copies,
                .history = history,
                .connections = {ports.connector, ports.store, tracing, totals, latencies}}),
      delay_notices(
          context, {ports.store, scheduler, ledger, reports, copies},
          {.reason_of =
               [this](const auto& recipient) { return whereabouts.reason_or_default(recipient); },
           .waits_for_outage =
               [this](const auto& recipient) { return whereabouts.waits_for_outage(recipient); },
           .is_too_early =
               [this](const auto& message, const auto& recipient) {
                   return hours_notice_not_before(message, recipient) > context.now();
               }}),
      desk({.context = context,
            .store = ports.store,
            .scheduler = scheduler,
            .bundles = bundles,
            .sites = sites,
            .addresses = addresses,
            .copies = copies,
            .lines = lines,
            .router = router,
            .ledger = ledger,
            .attempts = attempts,
            .history = history,
            .ended = endings,
            .tracing = tracing,
            .totals = totals,
            .times = latencies,
            .whereabouts = whereabouts},
           started),
      wake_ups(
          context, scheduler.table(), router,
          {.wake = [this](queue::DomainHandle domain) { desk.orders().wake_domain(domain, true); },
           .make_due = [this](queue::MessageHandle message,
                              const auto& domains) { desk.orders().make_due(message, domains); }}),
      loading(context, {ports.store, scheduler, ledger, reports},
              [this](std::shared_ptr<const queue::Message> report) { accept(std::move(report)); }) {
    lines.set_router(router);
    scheduler.set_has_failed([this](const auto& recipient) { return lines.has_failed(recipient); });
    scheduler.set_notice_not_before([this](const auto& message, const auto& recipient) {
        return std::max(hours_notice_not_before(message, recipient),
                        delay_notices.not_before(scheduler.table().sender(message)));
    });
}

// Mail that has not been tried, only because its hours have not come, is not late.
Instant QueueManager::Impl::hours_notice_not_before(const queue::MessageEntry& message,
                                                    const queue::RecipientEntry& recipient) const {
    const auto* const site = whereabouts.site_of(message, recipient);
    if (site == nullptr || recipient.attempts > 0 || recipient.stalls > 0) return Instant::min();
    if (!site->hours.are_limited() || !site->destination.health().is_up()) return Instant::min();
    return site->hours.no_notice_until(scheduler.life_begin(message)).value_or(Instant::min());
}

// ---- Mail comes in ----

void QueueManager::Impl::accept(std::shared_ptr<const queue::Message> message) {
    const auto added = scheduler.add(*message);
    // What waits for its release is read from the disk then.
    if (message->envelope.requests.release <= context.now()) copies.keep(added, std::move(message));
    context.request_tick();
    if (!context.is_draining()) lines.line_up_due(added);
    scheduler.rearm(added);
}

void QueueManager::Impl::forget(queue::MessageHandle message) {
    attempts.forget(message);
    for (auto& recipient : scheduler.table().recipients(message)) lines.leave(message, recipient);
    ledger.drop(message);
    context.request_tick();
}

// The DNS has said for good that there is nowhere to go.
void QueueManager::Impl::fail_parked(queue::DomainHandle domain, const DeliveryError& error) {
    while (const auto bundle = router.first_parked(domain)) {
        const auto message = bundles[bundle].message;
        std::vector<Outcome> outcomes;
        for (const auto number : lines.recipients_of(bundle)) {
            lines.leave(message,
                        scheduler.table().recipient(scheduler.table().message(message), number));
            outcomes.push_back({number, Outcome::Kind::failed, &error});
        }
        ledger.settle(message, copies.get(message), {}, outcomes);
    }
}

// ---- Time ----

void QueueManager::Impl::tick() {
    context.begin_tick();
    // As long as the store cannot write down what would come of it, nothing begins. When that was
    // long, mail has missed its times as if the clock had leapt.
    is_store_stalled = ports.store.is_stalled();
    const auto expected = next_wakeup();
    const bool has_leapt = expected && context.now() > *expected + leap_min;
    if (has_leapt) scheduler.begin_leap();
    attempts.tick();
    sites.tick();
    for (const auto site : sites.take_closed()) attempts.pool().close_idle(site);
    router.tick();
    if (has_leapt) follow_leap();
    if (!context.is_draining() && !is_store_stalled) {
        wake_ups.tick();
        lines.tick();
        queue::Scheduler::Work work;
        scheduler.tick(context.now(), work);
        serve(work);
        delay_notices.tick();
        ledger.tick();
        dispatch();
    }
    router.note_unused(scheduler.table().take_unused_domains());
}

// Deadlines of what was under way have passed with the leap, and have been served by now: that was
// no attempt either.
void QueueManager::Impl::follow_leap() {
    lines.follow_leap();
    scheduler.follow_leap(context.now());
}

// Messages may leave the queue on the way, and their indices be used again: each list is gone
// through with that in mind. A message in several lists is served for one thing at a time, the
// timer that is still due brings the rest.
void QueueManager::Impl::serve(const queue::Scheduler::Work& work) {
    for (const auto message : work.expired)
        if (scheduler.table().message(message).id != 0) expire(message);
    for (const auto message : work.delayed)
        if (scheduler.table().message(message).id != 0) serve_delayed(message);
    for (const auto message : work.due) {
        if (scheduler.table().message(message).id == 0) continue;
        lines.line_up_due(message);
        scheduler.rearm(message);
    }
}

void QueueManager::Impl::serve_delayed(queue::MessageHandle message) {
    const auto& table = std::as_const(scheduler.table());
    const bool is_late = std::ranges::any_of(table.recipients(message), [&](const auto& recipient) {
        return scheduler.is_late_notice_due(table.message(message), recipient, context.now());
    });
    if (is_late) {
        ledger.send_late_notice(message);
    } else {
        delay_notices.note_due(message);
    }
}

void QueueManager::Impl::expire(queue::MessageHandle message) {
    auto& table = scheduler.table();
    const auto& entry = table.message(message);
    const auto recipients = table.recipients(message);
    std::vector<DeliveryError> errors(recipients.size());
    std::vector<Outcome> outcomes;
    for (std::uint32_t number = 0; number < recipients.size(); ++number) {
        auto& recipient = recipients[number];
        if (!scheduler.has_expired(entry, recipient, context.now())) continue;
        errors[number] = whereabouts.reason_or_default(recipient);
        lines.leave(message, recipient);
        outcomes.push_back({number, Outcome::Kind::expired, &errors[number]});
    }
    if (outcomes.empty()) {
        scheduler.rearm(message);
    } else {
        ledger.settle(message, copies.get(message), {}, outcomes);
    }
}

// Sites that wait because only the last quarter of the connections was left are in no ring: as many
// of them are called back as there are free connections again.
void QueueManager::Impl::call_back_crowded() {
    const auto most = attempts.approach().crowded_from();
    const auto now = attempts.connections();
    for (auto left = most - std::min(most, now); left > 0 && !crowded_out.empty(); --left) {
        const auto site = crowded_out.front();
        crowded_out.pop_front();
        if (!sites.is_used(site)) continue;
        sites[site].is_crowded_out = false;
        sites.refresh(site);
    }
}

// Sites take turns, one delivery each, as long as there are connections to be had.
void QueueManager::Impl::dispatch() {
    call_back_crowded();
    while (const auto handle = sites.turns().front()) {
        auto& site = sites[handle];
        const auto now = context.now();
        if (!site.may_start(now)) {
            sites.pass(handle);
            sites.refresh(handle);
            continue;
        }
        if (site.idle.empty()) {
            if (site.connections + site.unconnected >= site.connections_limit(now)) {
                // Its last connections are closing: refreshed when they are gone.
                sites.pass(handle);
                continue;
            }
            if (attempts.connections() >= context.settings().delivery.connections_max) {
                // Refreshed when a connection that is closed now is gone, or any other.
                attempts.pool().make_room(sites.turns().waiting());
                return;
            }
            if (attempts.connections() >= attempts.approach().connections_max_for(handle)) {
                sites.pass(handle);
                if (!std::exchange(site.is_crowded_out, true)) crowded_out.push_back(handle);
                continue;
            }
        }
        sites.pass(handle);
        if (lines.make_way(handle)) attempts.start(handle);
        sites.refresh(handle);
    }
    attempts.pool().make_room(crowded_out.size());
}

std::optional<Instant> QueueManager::Impl::next_wakeup() const {
    Earliest next(attempts.next_wakeup());
    next.consider(router.next_wakeup());
    next.consider(sites.next_wakeup());
    if (context.is_draining()) return next.at();
    if (is_store_stalled) {
        next.consider(context.now() + stalled_look);
        return next.at();
    }
    next.consider(scheduler.next_wakeup());
    next.consider(delay_notices.next_wakeup());
    next.consider(ledger.next_wakeup());
    next.consider(wake_ups.next_wakeup());
    return next.at();
}

// ---- The daemon's life ----

void QueueManager::Impl::reload(SettingsPtr settings) {
    const auto former = context.replace_settings(std::move(settings));
    sources = SourceTable(context.settings().sources);
    const bool are_routes_new = former->routes != context.settings().routes ||
                                former->sources != context.settings().sources;
    sites.apply_settings();
    router.apply_settings();
    attempts.apply_settings();
    // A walk over the whole queue: only if there is something new in it.
    if (are_routes_new || former->retry != context.settings().retry)
        scheduler.set_policy(retry_policy(context.settings().retry));
    if (!are_routes_new) return;
    // What is in line was routed by the old ones.
    for (const auto message : scheduler.table().messages()) {
        if (!scheduler.table().message(message).first_bundle) continue;
        lines.dissolve_lined_up(message);
        scheduler.rearm(message);
    }
    context.request_tick();
}

// ---- The outside ----

QueueManager::QueueManager(SettingsPtr settings, Ports ports, Hooks hooks, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(std::move(settings), ports, std::move(hooks), seed)) {}
QueueManager::~QueueManager() = default;

void QueueManager::accept(std::shared_ptr<const queue::Message> message) {
    ++impl_->totals.accepted_total;
    impl_->accept(std::move(message));
}

void QueueManager::forget(queue::MessageId id) {
    if (const auto message = impl_->scheduler.table().find(id)) impl_->forget(message);
}

void QueueManager::load(const queue::QueuedMessage& queued) { impl_->loading.load(queued); }

void QueueManager::restore(Hints hints) {
    for (const auto& hint : hints)
        if (hint.kind == Hint::Kind::address) impl_->addresses.restore(hint, impl_->context.now());
    impl_->sites.memory().restore(std::move(hints));
}

Hints QueueManager::hints() const {
    Hints hints;
    const auto now = impl_->context.now();
    impl_->sites.memory().add_hints(hints, now);
    impl_->addresses.add_hints(hints);
    impl_->sites.memory().add_answers(hints, now);
    return hints;
}

std::uint64_t QueueManager::hints_version() const { return impl_->context.troubles_version(); }

void QueueManager::tick() { impl_->tick(); }
std::optional<Instant> QueueManager::next_wakeup() const { return impl_->next_wakeup(); }
void QueueManager::reload(SettingsPtr settings) { impl_->reload(std::move(settings)); }
void QueueManager::set_own_addresses(std::vector<IpAddress> addresses) {
    impl_->context.set_own_addresses(std::move(addresses));
}

void QueueManager::drain() {
    if (impl_->context.is_draining()) return;
    impl_->context.drain();
    impl_->attempts.drain();
    impl_->context.request_tick();
}

void QueueManager::cut() { impl_->attempts.cut(); }

bool QueueManager::is_idle() const {
    return impl_->attempts.count() == 0 && impl_->ledger.is_idle();
}

std::string QueueManager::check() const {
    if (impl_->context.is_draining()) return {};
    if (auto wrong = impl_->scheduler.check(); !wrong.empty()) return wrong;
    if (auto wrong = impl_->router.check(); !wrong.empty()) return wrong;
    const bool are_connections_left =
        impl_->attempts.connections() < impl_->context.settings().delivery.connections_max;
    if (auto wrong = impl_->attempts.check(); !wrong.empty()) return wrong;
    return impl_->sites.check(are_connections_left);
}

// ---- The operators' side ----

OperatorDesk& QueueManager::desk() { return impl_->desk; }
const OperatorDesk& QueueManager::desk() const { return impl_->desk; }

WakeUp QueueManager::wake(const std::string& domain, bool is_tree) {
    return impl_->wake_ups.ask(domain, is_tree);
}

}  // namespace mta::outbound
