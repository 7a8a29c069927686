// What operators ask about one message: what blocks it, what was tried, and how it ended.
#include <utility>

#include "mta/outbound/queue_manager.h"
#include "mta/outbound/queue_manager_impl.h"

namespace mta::outbound {
namespace {

void describe_health(const queue::Health& health, Blocker& blocker) {
    if (health.is_up()) return;
    blocker.since = health.down_since();
    blocker.failures = health.failures();
    blocker.is_probing = health.is_probing();
}

}  // namespace

void QueueManager::Impl::describe_blocker(const queue::RecipientEntry& recipient,
                                          RecipientView& view) const {
    auto& blocker = view.blocker;
    if (view.reason == WaitReason::connections_limit) {
        blocker.busy = attempts.connections();
        blocker.limit = context.settings().delivery.connections_max;
    }
    if (!recipient.bundle) return;
    const auto& bundle = bundles[recipient.bundle];
    if (bundle.state == queue::Bundle::State::routing) {
        const auto domain = router.view(bundle.domain);
        if (domain.health != nullptr) describe_health(*domain.health, blocker);
        blocker.looks_up_since = domain.asked_since;
        blocker.in_line = scheduler.table().domain(recipient.domain).recipients;
        return;
    }
    const auto& site = sites[bundle.site];
    if (view.reason == WaitReason::unanswered_limit) {
        const auto trials = sites.trials_before(bundle.site);
        blocker.busy = trials ? trials->under_way : 0;
        blocker.limit = trials ? trials->most : 0;
    }
    describe_health(site.destination.health(), blocker);
    blocker.in_line = site.destination.waiting();
    if (view.reason == WaitReason::destination_limit) {
        blocker.busy = site.destination.busy();
        blocker.limit = site.connections_limit(context.now());
        if (auto waiting = attempts.waiting_for_host(bundle.site)) {
            blocker.busy = waiting->connections;
            blocker.limit = waiting->limit;
            blocker.remote = std::move(waiting->host);
        }
    } else if (view.reason == WaitReason::message_rate && site.limits.message_rate) {
        blocker.rate = to_string(*site.limits.message_rate);
    } else if (view.reason == WaitReason::connection_rate && site.limits.connection_rate) {
        blocker.rate = to_string(*site.limits.connection_rate);
    } else if (view.reason == WaitReason::delivering) {
        auto progress = attempts.progress_of(recipient.bundle);
        blocker.remote = std::move(progress.remote);
        blocker.looks_up_since = progress.looks_up_since;
        view.until = progress.deadline;
    } else if (view.reason == WaitReason::dns_answer) {
        blocker.looks_up_since = attempts.looks_up_since(bundle.site);
    }
}

void QueueManager::Impl::describe_history(queue::MessageHandle message, MessageView& view) const {
    view.started = started;
    auto remembered = history.of(message);
    const auto recipients = scheduler.table().recipients(message);
    for (auto& recipient : view.recipients) {
        recipient.attempts_made = std::move(remembered.recipients[recipient.number]);
        recipient.is_history_cut = remembered.is_cut;
        describe_blocker(recipients[recipient.number], recipient);
    }
}

std::expected<Tracing::Fetched, std::string> QueueManager::trace(const std::string& watcher,
                                                                 const std::string& what) {
    return impl_->tracing.fetch(watcher, what, impl_->context.now());
}

void QueueManager::end_trace(const std::string& watcher) { impl_->tracing.end(watcher); }

Latencies QueueManager::latencies() const { return impl_->latencies; }

std::vector<EndingView> QueueManager::endings(const Endings::Query& query,
                                              std::size_t limit) const {
    auto endings = impl_->endings.find(query, limit);
    for (auto& ending : endings) {
        ending.is_report_queued =
            ending.report != 0 && impl_->scheduler.table().find(ending.report);
    }
    return endings;
}

}  // namespace mta::outbound
