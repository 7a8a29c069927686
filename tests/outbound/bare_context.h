#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "conf/settings.h"
#include "mta/base/time.h"
#include "mta/outbound/context.h"

// A context without a queue manager, for tests that construct one part alone.
struct BareContext {
    explicit BareContext(conf::Settings made = {})
        : settings(std::make_shared<const conf::Settings>(std::move(made))),
          context(settings, {.now = [this] { return now; },
                             .request_tick = [this] { ++ticks_requested; },
                             .on_event = [this](const auto& event) { events.push_back(event); }}) {}

    mta::Instant now = mta::from_unix_ms(1'790'000'000'000);
    int ticks_requested = 0;
    std::vector<mta::events::Event> events;
    std::shared_ptr<const conf::Settings> settings;
    mta::outbound::Context context;
};
