#include "mta/api/monitoring/metrics_page.h"

#include <prometheus/text_serializer.h>

#include <chrono>
#include <cstdint>
#include <limits>

namespace mta::api {

using prometheus::MetricFamily;
using prometheus::MetricType;

double seconds_of(Millis duration) { return std::chrono::duration<double>(duration).count(); }

void MetricSeries::add_value(double value, MetricLabels labels) {
    constexpr std::size_t label_bytes_max = 200;
    auto& metric = family_.metric.emplace_back();
    for (const auto& [name, text] : labels)
        metric.label.push_back({name, text.substr(0, label_bytes_max)});
    auto& place = family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value;
    place = value;
}

MetricSeries MetricsPage::counter(const char* name, const char* help) {
    return begin(name, help, MetricType::Counter);
}

MetricSeries MetricsPage::gauge(const char* name, const char* help) {
    return begin(name, help, MetricType::Gauge);
}

void MetricsPage::histogram(const char* name, const char* help, const Histogram& values) {
    auto& metric = begin(name, help, MetricType::Histogram).metric.emplace_back();
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < values.counts.size(); ++i) {
        cumulative += values.counts[i];
        const auto bound = i < Histogram::bounds.size() ? seconds_of(Histogram::bounds[i])
                                                        : std::numeric_limits<double>::infinity();
        metric.histogram.bucket.push_back({cumulative, bound});
    }
    metric.histogram.sample_count = cumulative;
    metric.histogram.sample_sum = seconds_of(values.sum);
}

std::string MetricsPage::text() const { return prometheus::TextSerializer{}.Serialize(families_); }

MetricFamily& MetricsPage::begin(const char* name, const char* help, MetricType type) {
    auto& family = families_.emplace_back();
    family.name = name;
    family.help = help;
    family.type = type;
    return family;
}

}  // namespace mta::api
