#include "mta/outbound/destination/trial_places.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/outbound/bare_context.h"

namespace mta::outbound {
namespace {

conf::Settings settings_with(std::uint32_t connections_max) {
    conf::Settings settings;
    settings.delivery.connections_max = connections_max;
    return settings;
}

class TrialPlacesTest : public testing::Test {
protected:
    // A quarter of 16 are 4; half of these are for silent destinations; 12 in all may be unanswered.
    BareContext bare_{settings_with(16)};
    TrialPlaces places_{bare_.context};

    TrialPlace begin(Standing standing) { return places_.begin(standing).value(); }
};

TEST_F(TrialPlacesTest, a_connection_to_a_destination_that_answers_is_no_trial) {
    EXPECT_FALSE(places_.begin(Standing::answering));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(begin(Standing::untried), TrialPlace::untried);
    EXPECT_TRUE(places_.may_begin(Standing::answering));
    EXPECT_FALSE(places_.may_begin(Standing::untried));
    EXPECT_FALSE(places_.before(Standing::answering));
}

TEST_F(TrialPlacesTest, silent_destinations_have_half_of_the_quarter) {
    EXPECT_EQ(begin(Standing::silent), TrialPlace::silent);
    EXPECT_FALSE(places_.are_silent_full());
    EXPECT_EQ(begin(Standing::silent), TrialPlace::silent);
    EXPECT_TRUE(places_.are_silent_full());
    EXPECT_FALSE(places_.may_begin(Standing::silent));
    EXPECT_TRUE(places_.may_begin(Standing::untried));
    const auto before = places_.before(Standing::silent);
    ASSERT_TRUE(before);
    EXPECT_EQ(before->under_way, 2u);
    EXPECT_EQ(before->most, 2u);
}

TEST_F(TrialPlacesTest, a_trial_whose_body_has_left_makes_room_in_the_quarter) {
    std::vector<TrialPlace> trials;
    for (int i = 0; i < 4; ++i) trials.push_back(begin(Standing::untried));
    ASSERT_FALSE(places_.may_begin(Standing::untried));
    places_.send(trials[0]);
    EXPECT_EQ(trials[0], TrialPlace::sent);
    EXPECT_TRUE(places_.may_begin(Standing::untried));
}

TEST_F(TrialPlacesTest, all_unanswered_connections_together_have_three_quarters) {
    for (int i = 0; i < 12; ++i) {
        ASSERT_TRUE(places_.may_begin(Standing::untried)) << i;
        auto place = begin(Standing::untried);
        places_.send(place);
    }
    EXPECT_FALSE(places_.may_begin(Standing::untried));
    EXPECT_EQ(places_.before(Standing::untried)->most, 12u);
    places_.end(TrialPlace::sent);
    EXPECT_TRUE(places_.may_begin(Standing::untried));
}

TEST_F(TrialPlacesTest, the_end_of_a_trial_asks_for_a_tick) {
    const auto place = begin(Standing::silent);
    ASSERT_EQ(bare_.ticks_requested, 0);
    places_.end(place);
    EXPECT_EQ(bare_.ticks_requested, 1);
}

TEST_F(TrialPlacesTest, counts_how_many_of_those_that_wait_could_begin) {
    EXPECT_EQ(places_.could_begin(1, 1), 2u);
    EXPECT_EQ(places_.could_begin(0, 9), 2u) << "half of the quarter";
    EXPECT_EQ(places_.could_begin(9, 9), 4u) << "the quarter";
}

TEST(TrialPlaces, there_is_one_place_at_least_and_then_none_that_only_untried_may_take) {
    BareContext bare(settings_with(1));
    TrialPlaces places(bare.context);
    EXPECT_FALSE(places.have_untried_their_own());
    ASSERT_TRUE(places.may_begin(Standing::silent));
    EXPECT_EQ(places.begin(Standing::silent), TrialPlace::silent);
    EXPECT_FALSE(places.may_begin(Standing::untried));
}

}  // namespace
}  // namespace mta::outbound
