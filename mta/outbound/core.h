#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conf/settings.h"
#include "mta/base/time.h"
#include "mta/outbound/desk/attempt_history.h"
#include "mta/outbound/desk/endings.h"
#include "mta/outbound/desk/tracing.h"
#include "mta/outbound/queue_manager.h"
#include "mta/outbound/routing/source_table.h"
#include "queue/bundle.h"
#include "queue/scheduler.h"

namespace mta::outbound {

[[nodiscard]] queue::RetryPolicy retry_policy(const conf::Retry& retry);

// What the parts of the queue manager share.
struct Core {
    Core(QueueManager::SettingsPtr initial, QueueManager::Ports world, QueueManager::Hooks driver,
         queue::Scheduler::LifetimeOf lifetime_of, std::uint64_t seed)
        : settings(std::move(initial)),
          sources(settings->sources),
          ports(world),
          hooks(std::move(driver)),
          scheduler(retry_policy(settings->retry), std::move(lifetime_of), seed, hooks.now()),
          started(hooks.now()) {}

    [[nodiscard]] Instant now() const { return hooks.now(); }
    void event(const DeliveryEvent& event) const {
        if (hooks.on_event) hooks.on_event(event);
    }
    // Something is left for tick().
    void request_tick() {
        if (is_tick_requested) return;
        is_tick_requested = true;
        hooks.request_tick();
    }
    // Names under which an MX record may mean this relay.
    [[nodiscard]] std::vector<std::string> own_names() const {
        std::vector<std::string> names = {settings->hostname};
        for (const auto& source : settings->sources) names.push_back(source.ehlo);
        return names;
    }
    [[nodiscard]] queue::MessageTable& table() { return scheduler.table(); }

    QueueManager::SettingsPtr settings;
    SourceTable sources;  // refers into them
    QueueManager::Ports ports;
    QueueManager::Hooks hooks;
    queue::Scheduler scheduler;
    queue::BundleSlab bundles;
    const Instant started;
    AttemptHistory history{scheduler.table(), started};
    Endings endings;
    Tracing tracing;
    Counters totals;  // only the *_total ones
    Latencies latencies;
    std::vector<IpAddress> own_addresses;
    // Grows with what hints tell of: when a trouble begins, ends or is looked at again, when a rate
    // is used, when a destination answers that had not.
    std::uint64_t troubles_version = 0;
    bool is_tick_requested = false;
    bool is_draining = false;
    // Callbacks given to ports hold it weakly: gone, when the queue manager is.
    std::shared_ptr<bool> is_alive = std::make_shared<bool>(true);
};

}  // namespace mta::outbound
