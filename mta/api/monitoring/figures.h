#pragma once
#include "mta/api/answer.h"
#include "mta/api/call.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// The figures that the shards have at hand, of all of them together.
struct Figures {
    outbound::Counters counters;
    outbound::Latencies latencies;

    void add(const Figures& shard);
};

[[nodiscard]] Outcome<Figures> ask_figures(const Call& call);

}  // namespace mta::api
