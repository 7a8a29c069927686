#include "mta/outbound/destination/site_turns.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "tests/outbound/bare_context.h"

namespace mta::outbound {
namespace {

conf::Settings sixteen_connections() {
    conf::Settings settings;
    settings.delivery.connections_max = 16;
    return settings;
}

class SiteTurnsTest : public testing::Test {
protected:
    BareContext bare_{sixteen_connections()};
    TrialPlaces places_{bare_.context};
    SiteTurns turns_{bare_.context, places_};
    std::map<char, SiteTurns::Seat> seats_;  // by the sites' names

    static queue::SiteHandle site(char name) { return queue::SiteHandle(std::uint32_t(name)); }
    void enter(char name, Standing standing) {
        if (!seats_.contains(name)) seats_[name] = turns_.add(site(name));
        turns_.enter(seats_[name], standing);
    }
    // The names of those whose turn it is, each of which lines up again.
    std::string turns(int count) {
        std::string names;
        for (int i = 0; i < count; ++i) {
            const auto next = turns_.front();
            if (!next) return names + "-";
            const auto name = static_cast<char>(next.index());
            names += name;
            const auto standing = *seats_[name].ring;
            turns_.pass(seats_[name]);
            turns_.enter(seats_[name], standing);
        }
        return names;
    }
};

TEST_F(SiteTurnsTest, those_of_one_standing_take_turns) {
    for (const char name : {'a', 'b', 'c'}) enter(name, Standing::answering);
    EXPECT_EQ(turns(7), "abcabca");
}

TEST_F(SiteTurnsTest, of_four_turns_three_are_for_those_that_answer) {
    enter('a', Standing::answering);
    enter('u', Standing::untried);
    EXPECT_EQ(turns(8), "aaauaaau");
}

TEST_F(SiteTurnsTest, of_four_turns_of_the_others_three_are_for_the_untried) {
    enter('a', Standing::answering);
    enter('u', Standing::untried);
    enter('s', Standing::silent);
    EXPECT_EQ(turns(16), "aaauaaauaaauaaas");
}

TEST_F(SiteTurnsTest, a_ring_whose_places_are_taken_is_passed_over) {
    enter('s', Standing::silent);
    EXPECT_EQ(turns_.front(), site('s'));
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(places_.begin(Standing::silent));
    EXPECT_FALSE(turns_.front());
    EXPECT_EQ(turns_.waiting(), 0u);
    enter('u', Standing::untried);
    EXPECT_EQ(turns_.front(), site('u'));
}

TEST_F(SiteTurnsTest, one_that_has_passed_rests_until_it_enters_again) {
    enter('a', Standing::answering);
    turns_.pass(seats_['a']);
    EXPECT_FALSE(turns_.front());
    enter('a', Standing::answering);
    EXPECT_EQ(turns_.front(), site('a'));
}

TEST_F(SiteTurnsTest, one_whose_standing_changes_goes_to_the_end_of_the_other_ring) {
    enter('a', Standing::answering);
    enter('b', Standing::untried);
    enter('b', Standing::answering);
    EXPECT_EQ(turns(3), "aba");
    EXPECT_EQ(turns_.waiting(), 2u);
}

TEST_F(SiteTurnsTest, entering_anew_keeps_the_turn_and_asks_for_no_tick) {
    enter('a', Standing::answering);
    enter('b', Standing::answering);
    const auto asked = bare_.ticks_requested;
    bare_.context.begin_tick();
    enter('a', Standing::answering);
    EXPECT_EQ(turns_.front(), site('a'));
    EXPECT_EQ(bare_.ticks_requested, asked);
}

TEST_F(SiteTurnsTest, a_trial_is_wanted_if_a_site_waits_that_could_begin_in_its_place) {
    EXPECT_FALSE(turns_.is_wanted(TrialPlace::silent));
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(places_.begin(Standing::silent));
    enter('s', Standing::silent);
    EXPECT_TRUE(turns_.is_wanted(TrialPlace::silent));
    EXPECT_FALSE(turns_.is_wanted(TrialPlace::untried)) << "its place is not for silent sites";
    EXPECT_FALSE(turns_.do_untried_wait());
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(places_.begin(Standing::untried));
    enter('u', Standing::untried);
    EXPECT_TRUE(turns_.do_untried_wait());
    EXPECT_TRUE(turns_.is_wanted(TrialPlace::untried));
    EXPECT_FALSE(turns_.is_wanted(TrialPlace::sent)) << "it may have been delivered";
}

}  // namespace
}  // namespace mta::outbound
