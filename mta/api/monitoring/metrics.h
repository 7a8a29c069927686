#pragma once
#include <string>

#include "mta/api/monitoring/figures.h"
#include "mta/api/monitoring/survey.h"
#include "mta/api/relay_status.h"

namespace mta::api {

// The sources of all metrics.
struct MetricsSource {
    const RelayStatus& status;
    Figures figures;
    Survey::Result survey;
};

inline constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

// The page of metrics in Prometheus' text format. A new metric begins in metrics.cc; names, labels
// and meanings are in docs/posthouse-metrics.7. The number of series is bounded: destinations are
// the deepest, the oldest, and "other" for all the rest.
[[nodiscard]] std::string metrics_text(const MetricsSource& source);

}  // namespace mta::api
