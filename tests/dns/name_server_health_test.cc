#include "dns/name_server_health.h"

#include <gtest/gtest.h>

namespace dns {
namespace {
using namespace std::chrono_literals;
using mta::Instant;

TEST(NameServerHealth, one_silence_is_not_its_fault) {
    NameServerHealth health;
    for (int i = 0; i < 10; ++i) {
        health.on_timeout(Instant{1s});
        health.on_timeout(Instant{1s});
        EXPECT_TRUE(health.is_well());
        health.on_answer();
    }
}

TEST(NameServerHealth, three_silences_in_a_row_are) {
    NameServerHealth health;
    for (int i = 0; i < 3; ++i) health.on_timeout(Instant{1s});
    EXPECT_FALSE(health.is_well());
    EXPECT_FALSE(health.may_go_first(Instant{2s}));
}

TEST(NameServerHealth, an_unwell_server_is_tried_by_one_question_every_thirty_seconds) {
    NameServerHealth health;
    health.on_unreachable(Instant{0s});
    EXPECT_FALSE(health.may_go_first(Instant{29'999ms}));
    EXPECT_TRUE(health.may_go_first(Instant{30s}));
    EXPECT_FALSE(health.may_go_first(Instant{30s}));
    EXPECT_FALSE(health.may_go_first(Instant{59s}));
    EXPECT_TRUE(health.may_go_first(Instant{60s}));
}

TEST(NameServerHealth, an_answer_makes_it_well) {
    NameServerHealth health;
    health.on_unreachable(Instant{0s});
    health.on_answer();
    EXPECT_TRUE(health.may_go_first(Instant{1ms}));
    EXPECT_TRUE(health.may_go_first(Instant{1ms}));
}

}  // namespace
}  // namespace dns
