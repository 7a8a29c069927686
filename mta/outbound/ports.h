#pragma once
#include <functional>
#include <memory>

#include "conf/settings.h"
#include "dns/resolver.h"
#include "mta/base/daily_window.h"
#include "mta/base/time.h"
#include "mta/events/event.h"
#include "mta/io/connector.h"
#include "mta/outbound/report_request.h"
#include "queue/store.h"

namespace mta::outbound {

// What the queue manager needs of the world. The ports must outlive it.
struct Ports {
    queue::Store& store;
    dns::Resolver& resolver;
    io::Connector& connector;
};

// What the queue manager asks of its driver, and reports to it (QueueManager).
struct Hooks {
    std::function<Instant()> now;
    std::function<void()> request_tick;
    MakeReports make_reports;
    std::function<void(const events::Event&)> on_event;
    UtcOffsetAt utc_offset_at;  // of the clock on the wall, for deliver_between; null: UTC
};

using SettingsPtr = std::shared_ptr<const conf::Settings>;

}  // namespace mta::outbound
