#include "mta/outbound/attempt/attempt_table.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/outbound/bare_context.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using namespace attempt_state;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class AttemptTableTest : public testing::Test {
protected:
    void TearDown() override { EXPECT_EQ(table_.check(), ""); }

    static Attempt attempt(queue::SiteHandle site, AttemptState state) {
        Attempt made;
        made.site = site;
        made.state = std::move(state);
        return made;
    }
    AttemptHandle add(AttemptState state) { return table_.add(attempt(site_, std::move(state))); }
    void enter(AttemptHandle handle, AttemptState next) {
        table_.enter(handle, std::move(next));
        EXPECT_EQ(table_.check(), "");
    }
    Site& site() { return sites_[site_]; }
    // How many trials of untried sites may begin beside those that are under way.
    std::size_t trials_left() { return sites_.trial_places().could_begin(1000, 0); }
    HostLimits::HostPtr host() {
        auto made = std::make_shared<HostLimits::Host>();
        made->name = "mx:25";
        made->most = 20;
        made->connections = HostLimits::connections_limit(*made);
        return made;
    }

    const ConnectionHandle connection_{3};
    BareContext bare_;
    SiteTable sites_{bare_.context};
    HostQueue queue_{bare_.now, [] {}};
    Trials trials_{sites_, [](AttemptHandle) { return Trials::Progress{}; }};
    AttemptTable table_{{sites_, queue_, trials_}, [this] { return bare_.now; }};
    queue::SiteHandle site_ = sites_.find_or_add({.key = "them", .name = "them.example"});
};

TEST_F(AttemptTableTest,
       counts_a_place_of_the_relay_and_of_the_site_until_the_connection_is_opened) {
    const auto handle = add(Admitted{});
    EXPECT_EQ(table_.places(), 1u);
    EXPECT_EQ(site().unconnected, 1u);
    enter(handle, Connecting{connection_});
    EXPECT_EQ(table_.places(), 0u);
    EXPECT_EQ(site().unconnected, 0u);
    EXPECT_THAT(table_.on(connection_), ElementsAre(handle));
    enter(handle, Transacting{connection_});
    EXPECT_THAT(table_.on(connection_), ElementsAre(handle));
    enter(handle, Leaving{connection_});
    enter(handle, Admitted{});
    EXPECT_THAT(table_.on(connection_), IsEmpty());
    EXPECT_EQ(table_.places(), 1u);
    EXPECT_EQ(site().unconnected, 1u);
}

TEST_F(AttemptTableTest, counts_no_place_of_an_attempt_that_has_given_its_place_up) {
    const auto handle = add(Admitted{});
    enter(handle, Resolving{bare_.now, ConnectionPlace{}, {}});
    EXPECT_EQ(table_.places(), 1u);
    EXPECT_FALSE(site().is_looking_up);
    enter(handle, Resolving{bare_.now, std::nullopt, {}});
    EXPECT_EQ(table_.places(), 0u);
    EXPECT_TRUE(site().is_looking_up) << "no other attempt of the site asks for its host";
    enter(handle, Paused{bare_.now + 1s, std::nullopt});
    EXPECT_FALSE(site().is_looking_up);
    EXPECT_EQ(table_.places(), 0u);
    enter(handle, Admitted{});
    EXPECT_EQ(table_.places(), 1u);
    EXPECT_EQ(site().unconnected, 1u);
}

TEST_F(AttemptTableTest, counts_nothing_of_an_attempt_that_has_ended) {
    const auto before = trials_left();
    for (const std::string name : {"admitted", "look-up", "queued", "paused", "connecting"}) {
        SCOPED_TRACE(name);
        const auto handle = add(Admitted{});
        if (name == "look-up") enter(handle, Resolving{bare_.now, std::nullopt, {}});
        if (name == "queued") enter(handle, Queued{host()});
        if (name == "paused") enter(handle, Paused{bare_.now + 1s, ConnectionPlace{}});
        if (name == "connecting") enter(handle, Connecting{connection_});
        (void)table_.remove(handle);
        EXPECT_EQ(table_.size(), 0u);
        EXPECT_EQ(table_.places(), 0u);
        EXPECT_EQ(site().unconnected, 0u);
        EXPECT_FALSE(site().is_looking_up);
        EXPECT_FALSE(site().is_waiting_for_host);
        EXPECT_EQ(queue_.find(site_), nullptr);
        EXPECT_FALSE(table_.next_pause_end());
        EXPECT_THAT(table_.on(connection_), IsEmpty());
        EXPECT_EQ(trials_left(), before);
    }
}

TEST_F(AttemptTableTest, puts_an_attempt_into_the_queue_of_its_host_and_takes_it_out) {
    const auto handle = add(Admitted{});
    const auto full = host();
    enter(handle, Queued{full, bare_.now + 1h});
    ASSERT_NE(queue_.find(site_), nullptr);
    EXPECT_EQ(queue_.find(site_)->attempt, handle);
    EXPECT_EQ(queue_.find(site_)->host, full);
    EXPECT_EQ(queue_.next_wakeup(), bare_.now + 1h) << "the first recipient expires then";
    EXPECT_TRUE(site().is_waiting_for_host);
    EXPECT_TRUE(site().knows_full_host);
    EXPECT_EQ(table_.places(), 0u);
    enter(handle, Admitted{});
    EXPECT_EQ(queue_.find(site_), nullptr);
    EXPECT_FALSE(site().is_waiting_for_host);
    EXPECT_TRUE(site().knows_full_host) << "until it is found that the host has room";
}

TEST_F(AttemptTableTest, names_the_attempts_whose_pause_is_over_and_leaves_them_paused) {
    const auto first = add(Paused{bare_.now + 2s, ConnectionPlace{}});
    const auto second = add(Paused{bare_.now + 1s, std::nullopt});
    const auto third = add(Paused{bare_.now + 1s, std::nullopt});
    EXPECT_EQ(table_.next_pause_end(), bare_.now + 1s);
    EXPECT_THAT(table_.take_due_pauses(), IsEmpty());
    enter(third, Admitted{});
    bare_.now += 1s;
    EXPECT_THAT(table_.take_due_pauses(), ElementsAre(second));
    EXPECT_EQ(name_of(table_[second].state), "paused");
    enter(first, Paused{bare_.now + 5s, ConnectionPlace{}});
    bare_.now += 1s;
    EXPECT_THAT(table_.take_due_pauses(), IsEmpty()) << "its pause was prolonged";
    EXPECT_EQ(table_.next_pause_end(), bare_.now + 4s);
}

TEST_F(AttemptTableTest, refuses_a_transition_that_is_not_in_the_table) {
    const auto admitted = add(Admitted{});
    EXPECT_DEATH(table_.enter(admitted, Transacting{connection_}), "is_legal");
    const auto connecting = add(Connecting{connection_});
    EXPECT_DEATH(table_.enter(connecting, Paused{}), "is_legal");
}

TEST_F(AttemptTableTest, finds_an_attempt_by_its_bundle) {
    const auto first = add(Admitted{});
    const auto second = add(Admitted{});
    table_[first].bundle = queue::BundleHandle(7);
    table_[second].bundle = queue::BundleHandle(8);
    EXPECT_EQ(table_.of_bundle(queue::BundleHandle(8)), second);
    EXPECT_FALSE(table_.of_bundle(queue::BundleHandle(9)));
    (void)table_.remove(second);
    EXPECT_FALSE(table_.of_bundle(queue::BundleHandle(8)));
    EXPECT_EQ(table_.of_bundle(queue::BundleHandle(7)), first);
}

TEST_F(AttemptTableTest, finds_the_attempts_of_a_connection_in_the_order_of_their_transactions) {
    const auto first = add(Connecting{connection_});
    enter(first, Transacting{connection_});
    const auto second = add(Transacting{connection_, false});
    const auto elsewhere = add(Connecting{ConnectionHandle(9)});
    EXPECT_THAT(table_.on(connection_), ElementsAre(first, second));
    EXPECT_EQ(table_.first_on(connection_), first);
    EXPECT_EQ(table_.first_on(ConnectionHandle(9)), elsewhere);
    EXPECT_FALSE(table_.first_on(ConnectionHandle(100)));
    table_.pass_connection_on(first, second);
    EXPECT_FALSE(leads(table_[first].state));
    EXPECT_TRUE(leads(table_[second].state));
    (void)table_.remove(first);
    EXPECT_EQ(table_.first_on(connection_), second);
    EXPECT_DEATH(table_.pass_connection_on(second, second), "leads");
}

TEST_F(AttemptTableTest, passes_a_connection_on_to_an_attempt_that_is_abandoned) {
    const auto first = add(Transacting{connection_});
    const auto second = add(Transacting{connection_, false});
    enter(second, Abandoned{connection_, false});
    table_.pass_connection_on(first, second);
    EXPECT_TRUE(leads(table_[second].state));
}

TEST_F(AttemptTableTest, keeps_the_other_attempts_when_one_in_the_middle_ends) {
    const auto first = add(Admitted{});
    const auto middle = add(Admitted{});
    const auto last = add(Admitted{});
    table_[middle].number = 42;
    const auto ended = table_.remove(middle);
    EXPECT_EQ(ended.number, 42u);
    EXPECT_THAT(table_.all(), UnorderedElementsAre(first, last));
    (void)table_.remove(last);
    EXPECT_THAT(table_.all(), ElementsAre(first));
    const auto next = add(Admitted{});
    EXPECT_THAT(table_.all(), UnorderedElementsAre(first, next));
    EXPECT_EQ(table_.places(), 2u);
}

TEST_F(AttemptTableTest, makes_a_trial_of_a_connection_to_a_site_that_has_not_answered) {
    const auto before = trials_left();
    const auto handle = add(Admitted{});
    ASSERT_TRUE(table_[handle].trial);
    EXPECT_EQ((*table_[handle].trial)->patience, Trials::first_patience);
    EXPECT_EQ(trials_left(), before - 1);
    enter(handle, Connecting{connection_});
    enter(handle, Transacting{connection_});
    EXPECT_EQ(trials_left(), before - 1) << "it lasts as long as the connection";
    table_.end_trial(handle);
    table_.end_trial(handle);
    EXPECT_FALSE(table_[handle].trial);
    EXPECT_EQ(trials_left(), before);
}

TEST_F(AttemptTableTest, ends_the_trial_of_an_attempt_that_has_neither_a_place_nor_a_connection) {
    const auto before = trials_left();
    const auto handle = add(Admitted{});
    enter(handle, Queued{host()});
    EXPECT_FALSE(table_[handle].trial);
    EXPECT_EQ(trials_left(), before);
    enter(handle, Admitted{});
    EXPECT_EQ(trials_left(), before - 1);
}

TEST_F(AttemptTableTest, makes_no_trial_of_a_kept_connection_or_of_a_site_that_answers) {
    const auto before = trials_left();
    EXPECT_FALSE(table_[add(Reading{connection_, {}})].trial);
    EXPECT_TRUE(table_[add(Reading{})].trial) << "it is going to open a connection";
    sites_.note_answer(site_);
    EXPECT_FALSE(table_[add(Admitted{})].trial);
    EXPECT_EQ(trials_left(), before - 1);
}

TEST_F(AttemptTableTest, begins_a_trial_afresh_and_knows_when_its_message_has_left) {
    const auto handle = add(Admitted{});
    enter(handle, Connecting{connection_});
    table_.send_trial(handle);
    EXPECT_EQ((*table_[handle].trial)->place, TrialPlace::sent);
    bare_.now += 1min;
    table_.begin_trial_afresh(handle);
    ASSERT_TRUE(table_[handle].trial);
    EXPECT_EQ((*table_[handle].trial)->place, TrialPlace::untried);
    EXPECT_EQ((*table_[handle].trial)->begun, bare_.now);
}

TEST_F(AttemptTableTest, check_finds_an_attempt_that_was_taken_out_of_the_queue_behind_its_back) {
    const auto handle = add(Admitted{});
    enter(handle, Queued{host()});
    queue_.leave(site_);
    EXPECT_EQ(table_.check(), "an attempt that is queued is not in the queue of a host");
    (void)table_.remove(handle);
}

}  // namespace
}  // namespace mta::outbound
