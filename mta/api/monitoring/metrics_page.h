#pragma once
#include <prometheus/metric_family.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/histogram.h"
#include "mta/base/time.h"

namespace mta::api {

[[nodiscard]] double seconds_of(Millis duration);

using MetricLabels = std::initializer_list<std::pair<const char*, std::string>>;

// One metric with all its series. It is valid until the page gets another metric.
class MetricSeries {
public:
    // NOLINTNEXTLINE(google-explicit-constructor)
    MetricSeries(prometheus::MetricFamily& family) : family_(family) {}

    // Each set of labels once.
    template <class Number>
    MetricSeries& add(Number value, MetricLabels labels = {}) {
        add_value(static_cast<double>(value), labels);
        return *this;
    }

private:
    void add_value(double value, MetricLabels labels);

    prometheus::MetricFamily& family_;
};

// A page of metrics in Prometheus' text format. It has each name once.
class MetricsPage {
public:
    MetricSeries counter(const char* name, const char* help);
    MetricSeries gauge(const char* name, const char* help);
    void histogram(const char* name, const char* help, const Histogram& values);

    [[nodiscard]] std::string text() const;

private:
    prometheus::MetricFamily& begin(const char* name, const char* help,
                                    prometheus::MetricType type);

    std::vector<prometheus::MetricFamily> families_;
};

}  // namespace mta::api
