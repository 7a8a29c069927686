#pragma once
#include <string>

#include "mta/api/api.h"
#include "mta/api/survey.h"

namespace mta::admin {

// Of all shards together.
struct MetricsSource {
    const RelayStatus& status;
    outbound::Counters counters;
    outbound::Latencies latencies;
    Survey::Result survey;
};

inline constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

// In Prometheus' text format. Names, labels and meanings: docs/posthouse-metrics.7. The number of
// series is bounded: destinations are the deepest and the oldest, and "other".
[[nodiscard]] std::string metrics_text(const MetricsSource& source);

// The sum over shards.
void add(outbound::Counters& sum, const outbound::Counters& one);
void add(outbound::Latencies& sum, const outbound::Latencies& one);

}  // namespace mta::admin
