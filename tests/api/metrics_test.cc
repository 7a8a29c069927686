#include "mta/api/monitoring/metrics.h"

#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::api {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;

const Instant now = from_unix_ms(1'795'003'200'000);

struct Series {
    std::string name;
    std::string labels;  // as it stands between the braces
    double value = 0;
};
struct Parsed {
    std::map<std::string, std::string> types;
    std::set<std::string> helped;
    std::vector<Series> series;
};

// The rules of Prometheus' text format 0.0.4, as strictly as its own checker has them.
Parsed parse(const std::string& text) {
    static const std::regex help(R"(# HELP ([a-z_]+) (.+))");
    static const std::regex type(R"(# TYPE ([a-z_]+) (counter|gauge|histogram))");
    static const std::regex sample(
        R"rx(([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+))rx");
    Parsed parsed;
    std::set<std::string> seen;
    std::istringstream in(text);
    EXPECT_TRUE(text.ends_with('\n'));
    for (std::string line; std::getline(in, line);) {
        std::smatch match;
        if (std::regex_match(line, match, help)) {
            EXPECT_TRUE(parsed.helped.insert(match[1]).second) << "twice: " << line;
        } else if (std::regex_match(line, match, type)) {
            EXPECT_TRUE(parsed.types.emplace(match[1], match[2]).second) << "twice: " << line;
            EXPECT_TRUE(parsed.helped.contains(match[1])) << line;
        } else if (std::regex_match(line, match, sample)) {
            EXPECT_TRUE(seen.insert(match[1].str() + '{' + match[2].str()).second) << line;
            parsed.series.push_back({match[1], match[2], std::stod(match[3])});
        } else {
            ADD_FAILURE() << "not a line of the format: " << line;
        }
    }
    return parsed;
}

std::string family_of(const std::string& name, const Parsed& parsed) {
    for (const auto* suffix : {"_bucket", "_sum", "_count"}) {
        if (!name.ends_with(suffix)) continue;
        auto family = name.substr(0, name.size() - std::string_view(suffix).size());
        const auto found = parsed.types.find(family);
        if (found != parsed.types.end() && found->second == "histogram") return family;
    }
    return name;
}

MetricsSource full(const RelayStatus& status) {
    MetricsSource source{.status = status, .figures = {}, .survey = {}};
    source.figures.counters.messages = 12;
    source.figures.counters.delivered_total = 1'234'567'890'123;
    source.figures.latencies.delivery.add(3ms);
    source.figures.latencies.delivery.add(40min);
    source.figures.latencies.delivery.add(72h);
    outbound::DestinationDepth odd;
    odd.view.name = "a \"quoted\\ name\nin two lines";
    odd.view.down_since = now - 1h;
    odd.depth.recipients = odd.depth.by_trouble[0] = 3;
    odd.depth.oldest = now - 90min;
    source.survey.destinations = {odd};
    source.survey.made = now - 2s;
    return source;
}

RelayStatus status_with_everything() {
    RelayStatus status;
    status.version = "0.1.0";
    status.hostname = "relay.example";
    status.now = now;
    status.started = now - 1h;
    status.spool_free_bytes = 123'456'789'012;
    status.figures.refused_total = {{"relaying", 4}, {"syntax", 0}};
    status.figures.stored.add(12ms);
    status.figures.spool_sync_seconds_total = 0.0125;
    return status;
}

TEST(Metrics, are_in_prometheus_text_format) {
    const auto status = status_with_everything();
    const auto parsed = parse(metrics_text(full(status)));
    EXPECT_GT(parsed.series.size(), 100u);
    for (const auto& series : parsed.series) {
        const auto family = family_of(series.name, parsed);
        ASSERT_TRUE(parsed.types.contains(family)) << series.name;
        EXPECT_TRUE(family.starts_with("posthouse_")) << family;
        EXPECT_EQ(parsed.types.at(family) == "counter", family.ends_with("_total")) << family;
    }
}

TEST(Metrics, keep_their_numbers_whole) {
    const auto status = status_with_everything();
    const auto text = metrics_text(full(status));
    for (const auto* line :
         {"posthouse_recipients_total{outcome=\"delivered\"} 1234567890123\n",
          "posthouse_spool_free_bytes 123456789012\n", "posthouse_queue_messages 12\n",
          "posthouse_refused_total{reason=\"relaying\"} 4\n",
          "posthouse_spool_sync_seconds_total 0.0125\n", "posthouse_survey_age_seconds 2\n",
          "posthouse_info{version=\"0.1.0\",hostname=\"relay.example\"} 1\n"}) {
        EXPECT_THAT(text, HasSubstr(line));
    }
    EXPECT_THAT(text, HasSubstr(R"({destination="a \"quoted\\ name\nin two lines"} 5400)"));
    EXPECT_THAT(text, HasSubstr(R"(two lines",state="half_open"} 1)"));
}

TEST(Metrics, say_what_is_wrong) {
    auto status = status_with_everything();
    const auto has = [&](const std::string& line) {
        return metrics_text(full(status)).contains('\n' + line + '\n');
    };
    EXPECT_TRUE(has("posthouse_spool_accepting 1"));
    EXPECT_TRUE(has("posthouse_reload_failed 0"));
    EXPECT_TRUE(has("posthouse_draining 0"));
    EXPECT_TRUE(has("posthouse_loading 0"));
    status.spool_refusal = "no space";
    status.reload_problem = "no such key";
    status.is_draining = status.is_loading = true;
    EXPECT_TRUE(has("posthouse_spool_accepting 0"));
    EXPECT_TRUE(has("posthouse_reload_failed 1"));
    EXPECT_TRUE(has("posthouse_draining 1"));
    EXPECT_TRUE(has("posthouse_loading 1"));
}

TEST(Metrics, histograms_add_up) {
    const auto status = status_with_everything();
    const auto parsed = parse(metrics_text(full(status)));
    std::map<std::string, std::vector<Series>> buckets;
    std::map<std::string, double> counts;
    for (const auto& series : parsed.series) {
        if (series.name.ends_with("_bucket")) buckets[series.name].push_back(series);
        if (series.name.ends_with("_count")) counts[series.name] = series.value;
    }
    EXPECT_EQ(buckets.size(), 5u);
    for (const auto& [name, all] : buckets) {
        for (std::size_t i = 1; i < all.size(); ++i) EXPECT_GE(all[i].value, all[i - 1].value);
        EXPECT_EQ(all.back().labels, "le=\"+Inf\"");
        const auto family = name.substr(0, name.size() - std::string_view("_bucket").size());
        EXPECT_EQ(counts.at(family + "_count"), all.back().value) << family;
    }
    EXPECT_EQ(buckets.at("posthouse_delivery_seconds_bucket").back().value, 3);
}

TEST(Metrics, are_all_in_the_manual_and_no_others) {
    const auto status = status_with_everything();
    const auto parsed = parse(metrics_text(full(status)));
    std::ifstream file("docs/posthouse-metrics.7");
    ASSERT_TRUE(file) << "tests run in the root of the repository";
    const std::string manual{std::istreambuf_iterator<char>(file), {}};
    std::set<std::string> documented;
    static const std::regex name(R"(\.It Li (posthouse_[a-z_]+))");
    for (std::sregex_iterator at(manual.begin(), manual.end(), name), end; at != end; ++at)
        documented.insert((*at)[1]);
    std::set<std::string> given;
    for (const auto& [family, type] : parsed.types) given.insert(family);
    EXPECT_EQ(documented, given);
}

TEST(Histogram, counts_by_size) {
    Histogram histogram;
    histogram.add(0ms);
    histogram.add(1ms);
    histogram.add(2ms);
    histogram.add(25h);
    EXPECT_EQ(histogram.counts[0], 2u) << "a bound belongs to its bucket";
    EXPECT_EQ(histogram.counts[1], 1u);
    EXPECT_EQ(histogram.counts.back(), 1u);
    EXPECT_EQ(histogram.count(), 4u);
    EXPECT_EQ(histogram.sum, 25h + 3ms);
    auto sum = histogram;
    sum.merge(histogram);
    EXPECT_EQ(sum.count(), 8u);
    EXPECT_EQ(sum.sum, 2 * histogram.sum);
}

}  // namespace
}  // namespace mta::api
