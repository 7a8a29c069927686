#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include "conf/settings.h"
#include "mta/base/time.h"
#include "mta/outbound/context.h"
#include "tests/outbound/agenda.h"
#include "tests/outbound/event_recorder.h"

namespace world {

// A context in virtual time, and the loop that drives one part of the queue manager: for tests that
// construct the part alone.
struct BareLoop {
    explicit BareLoop(conf::Settings settings = {})
        : context(std::make_shared<const conf::Settings>(std::move(settings)),
                  {.now = [this] { return agenda.now(); },
                   .request_tick = [this] { is_tick_requested = true; },
                   .make_reports = [this](const auto& request) { return make_reports(request); },
                   .on_event = [this](const auto& event) { events.add(event); },
                   .utc_offset_at = {}}) {}
    BareLoop(const BareLoop&) = delete;
    BareLoop& operator=(const BareLoop&) = delete;

    // Everything up to the end of that time: what the agenda has, and a tick() of the part whenever
    // the part has asked for one or its time has come.
    template <class Part>
    void run_for(Part& part, Millis duration) {
        const auto end = agenda.now() + duration;
        settle_turn(part);
        for (int turn = 0; turn < 100'000; ++turn) {
            const auto wakeup = part.next_wakeup().value_or(Instant::max());
            const auto action = agenda.next().value_or(Instant::max());
            if (std::min(wakeup, action) > end) {
                agenda.set_now(end);
                return;
            }
            if (action <= wakeup) {
                agenda.run_next();
            } else {
                agenda.set_now(wakeup);
                is_tick_requested = true;
            }
            settle_turn(part);
        }
        ADD_FAILURE() << "the part wakes up again and again";
    }

    Agenda agenda;
    EventRecorder events;
    // No report is made unless a test sets this.
    mta::outbound::MakeReports make_reports = [](const auto&) {
        return mta::outbound::MakeReports::result_type{};
    };
    bool is_tick_requested = false;
    mta::outbound::Context context;

private:
    template <class Part>
    void settle_turn(Part& part) {
        while (std::exchange(is_tick_requested, false)) {
            context.begin_tick();
            part.tick();
        }
    }
};

}  // namespace world
