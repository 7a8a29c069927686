#include "dns/cache.h"

#include <memory>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

namespace dns {
namespace {
using namespace std::chrono_literals;
using mta::Instant;
using Kind = LookupError::Kind;

Question question(int number) {
    return {'d' + std::to_string(number) + ".example", RecordType::mx};
}
Answer records(mta::Millis ttl) { return {MxRecords{{10, "mx.example"}}, ttl}; }
Answer error(Kind kind, mta::Millis ttl = 0s) {
    return {std::unexpected(LookupError{kind, "why"}), ttl};
}
std::shared_ptr<const Answer> shared(Answer answer) {
    return std::make_shared<const Answer>(std::move(answer));
}

struct KeepCase {
    std::string name;
    Answer answer;
    mta::Millis want;
    mta::Millis took = 0s;
};
std::ostream& operator<<(std::ostream& out, const KeepCase& row) { return out << row.name; }

const KeepCase keep_cases[] = {
    {"records_for_their_ttl", records(300s), 300s},
    {"records_for_an_hour_at_most", records(86400s), 1h},
    {"records_for_five_seconds_at_least", records(0s), 5s},
    {"nxdomain_for_its_ttl", error(Kind::no_such_domain, 60s), 60s},
    {"nxdomain_for_five_minutes_at_most", error(Kind::no_such_domain, 1h), 5min},
    {"nxdomain_without_ttl_for_five_seconds", error(Kind::no_such_domain), 5s},
    {"no_data_without_ttl_for_five_seconds", error(Kind::no_data), 5s},
    {"no_data_for_its_ttl", error(Kind::no_data, 60s), 60s},
    {"no_data_for_five_minutes_at_most", error(Kind::no_data, 1h), 5min},
    {"servfail_for_30_seconds", error(Kind::server_failure), 30s},
    {"refused_for_30_seconds", error(Kind::refused), 30s},
    {"timed_out_for_30_seconds", error(Kind::timed_out), 30s},
    {"malformed_for_30_seconds", error(Kind::malformed), 30s},
    {"unreachable_not_at_all", error(Kind::unreachable), 0s},
    {"overloaded_not_at_all", error(Kind::overloaded), 0s},
    {"records_that_came_at_once_for_five_seconds", records(0s), 5s, 500ms},
    {"slow_records_sixty_times_as_long_as_they_took", records(0s), 90s, 1500ms},
    {"slow_records_for_five_minutes_at_most", records(0s), 5min, 20s},
    {"slow_records_for_their_longer_ttl", records(20min), 20min, 20s},
    {"slow_no_data_sixty_times_as_long_as_it_took", error(Kind::no_data), 90s, 1500ms},
    {"slow_no_data_for_five_minutes_at_most", error(Kind::no_data), 5min, 1h},
    {"slow_nxdomain_for_its_ttl", error(Kind::no_such_domain, 10s), 10s, 20s},
    {"slow_servfail_for_30_seconds", error(Kind::server_failure), 30s, 20s},
};

class CacheTable : public testing::TestWithParam<KeepCase> {};

TEST_P(CacheTable, keeps) {
    EXPECT_EQ(keep_for(GetParam().answer, GetParam().took), GetParam().want);
}

TEST_P(CacheTable, forgets_on_the_millisecond) {
    const Instant begin{1000s};
    Cache cache;
    EXPECT_EQ(cache.put(question(1), shared(GetParam().answer), begin, GetParam().took),
              GetParam().want);
    const auto keep = GetParam().want;
    if (keep > 0s) {
        const auto hit = cache.find(question(1), begin + keep - 1ms);
        ASSERT_TRUE(hit);
        EXPECT_EQ(hit->remaining, 1ms);
    }
    EXPECT_FALSE(cache.find(question(1), begin + keep));
    EXPECT_EQ(cache.size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(, CacheTable, testing::ValuesIn(keep_cases),
                         [](const auto& test) { return test.param.name; });

TEST(Cache, keeps_the_types_of_one_name_apart) {
    Cache cache;
    cache.put({"d.example", RecordType::a}, shared(records(60s)), Instant{});
    EXPECT_TRUE(cache.find({"d.example", RecordType::a}, Instant{}));
    EXPECT_FALSE(cache.find({"d.example", RecordType::aaaa}, Instant{}));
}

TEST(Cache, a_new_answer_replaces_the_old_one) {
    Cache cache;
    cache.put(question(1), shared(records(60s)), Instant{});
    cache.put(question(1), shared(error(Kind::no_such_domain, 10s)), Instant{});
    EXPECT_FALSE(cache.find(question(1), Instant{})->answer->records);
    EXPECT_EQ(cache.size(), 1u);
}

TEST(Cache, an_answer_not_to_be_kept_removes_the_old_one) {
    Cache cache;
    cache.put(question(1), shared(records(60s)), Instant{});
    cache.put(question(1), shared(error(Kind::unreachable)), Instant{});
    EXPECT_FALSE(cache.find(question(1), Instant{}));
}

TEST(Cache, never_holds_more_than_its_limit_and_drops_what_was_not_asked_for_longest) {
    Cache cache(3);
    for (int i = 1; i <= 3; ++i) cache.put(question(i), shared(records(60s)), Instant{});
    EXPECT_TRUE(cache.find(question(1), Instant{}));  // so 2 is the oldest now
    cache.put(question(4), shared(records(60s)), Instant{});
    EXPECT_EQ(cache.size(), 3u);
    EXPECT_TRUE(cache.find(question(1), Instant{}));
    EXPECT_FALSE(cache.find(question(2), Instant{}));
    EXPECT_TRUE(cache.find(question(3), Instant{}));
    EXPECT_TRUE(cache.find(question(4), Instant{}));
}

TEST(Cache, what_was_found_lives_on_when_it_is_forgotten) {
    Cache cache;
    cache.put(question(1), shared(records(60s)), Instant{});
    const auto hit = cache.find(question(1), Instant{});
    cache.clear();
    EXPECT_EQ(cache.size(), 0u);
    EXPECT_EQ(std::get<MxRecords>(*hit->answer->records)[0].exchange, "mx.example");
}

}  // namespace
}  // namespace dns
