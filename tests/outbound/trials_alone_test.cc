// The trials alone, with sites of which nothing but their standing matters.
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "mta/outbound/attempt/trials.h"
#include "tests/outbound/bare_context.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;

conf::Settings connections(std::uint32_t most) {
    conf::Settings settings;
    settings.delivery.connections_max = most;
    return settings;
}

// Sites of each standing, trials, and the queue's bundles that let a site wait for its turn.
struct Rig {
    explicit Rig(std::uint32_t most = 16) : bare(connections(most)) {}

    queue::SiteHandle untried_site() {
        const auto name = "site" + std::to_string(++last_site);
        return sites.find_or_add({.key = name, .name = name});
    }
    queue::SiteHandle silent_site() {
        const auto made = untried_site();
        sites[made].destination.restore({.down_since = bare.now,
                                         .next_probe = bare.now,
                                         .error = {.status = {4, 4, 1}, .scope = Scope::host}},
                                        bare.now);
        return made;
    }
    queue::SiteHandle answering_site() {
        const auto made = untried_site();
        sites.note_answer(made);
        return made;
    }
    // A bundle is in its line, and it waits for its turn.
    void let_wait(queue::SiteHandle of) {
        sites[of].destination.probe_now(bare.now);
        sites[of].destination.bundles().line_up(
            bundles, bundles.add({.site = of, .sender = queue::SenderGroup(0)}));
        sites.refresh(of);
    }
    std::optional<Trials::Id> begin(queue::SiteHandle of,
                                    Millis patience = Trials::first_patience) {
        return trials.begin(AttemptHandle(++last_attempt), of, bare.now, patience);
    }
    // Trials of sites that have never been tried, until no further one may begin.
    void fill() {
        while (!sites.trials_before(spare)) (void)begin(spare);
    }
    Trials::Progress& progress_of(Trials::Id trial) { return progress[trial->attempt]; }

    BareContext bare;
    SiteTable sites{bare.context};
    queue::BundleSlab bundles;
    std::map<AttemptHandle, Trials::Progress> progress;
    Trials trials{sites, [this](AttemptHandle attempt) { return progress[attempt]; }};
    std::uint32_t last_attempt = 0;
    int last_site = 0;
    queue::SiteHandle spare = untried_site();
};

TEST(TrialsAlone, have_a_patience_for_first_attempts_for_probes_and_for_every_fourth_probe) {
    EXPECT_EQ(Trials::patience_for(false, 0), Trials::first_patience);
    EXPECT_EQ(Trials::patience_for(false, 4), Trials::first_patience);
    std::string kinds;
    for (std::uint32_t failures = 1; failures <= 9; ++failures)
        kinds += Trials::patience_for(true, failures) == Trials::long_probe_patience ? 'L' : 'p';
    EXPECT_EQ(kinds, "pppLpppLp");
    EXPECT_EQ(Trials::patience_for(true, 1), Trials::probe_patience);
}

TEST(TrialsAlone, take_a_place_unless_the_site_has_answered_lately_and_give_it_up_at_their_end) {
    Rig rig;
    EXPECT_FALSE(rig.begin(rig.answering_site()));
    rig.fill();
    EXPECT_TRUE(rig.sites.trials_before(rig.spare));
    EXPECT_EQ(rig.last_attempt, 1u + 4) << "a quarter of sixteen connections";
}

TEST(TrialsAlone, that_have_ended_leave_their_place_to_the_next) {
    Rig rig;
    const auto trial = rig.begin(rig.untried_site());
    rig.fill();
    EXPECT_TRUE(rig.sites.trials_before(rig.spare));
    rig.trials.end(*trial);
    EXPECT_FALSE(rig.sites.trials_before(rig.spare));
}

TEST(TrialsAlone, are_never_due_while_no_destination_waits_for_a_place) {
    Rig rig;
    rig.fill();
    EXPECT_FALSE(rig.trials.next());
    rig.let_wait(rig.answering_site());
    EXPECT_FALSE(rig.trials.next()) << "what waits is no trial";
}

TEST(TrialsAlone, are_due_after_the_patience_of_the_first_to_run_out_if_an_untried_site_waits) {
    Rig rig;
    (void)rig.begin(rig.spare, 30s);
    const auto begun = rig.bare.now;
    rig.bare.now += 1s;
    const auto hasty = rig.begin(rig.spare, 5s);
    rig.fill();
    rig.let_wait(rig.untried_site());
    const auto due = rig.trials.next();
    ASSERT_TRUE(due);
    EXPECT_EQ(due->attempt, (*hasty)->attempt);
    EXPECT_EQ(due->at, begun + 6s);
    EXPECT_EQ(due->silent_since, begun + 1s);
}

TEST(TrialsAlone, have_their_patience_anew_for_each_answer_of_the_host) {
    Rig rig;
    const auto begun = rig.bare.now;
    const auto answered = rig.begin(rig.spare);
    rig.fill();
    rig.let_wait(rig.untried_site());
    for (std::uint32_t i = 1; i <= rig.last_attempt; ++i)
        rig.progress[AttemptHandle(i)].silent_since = begun + 10s;
    rig.progress_of(*answered).silent_since = begun + 3s;
    const auto due = rig.trials.next();
    ASSERT_TRUE(due);
    EXPECT_EQ(due->attempt, (*answered)->attempt);
    EXPECT_EQ(due->silent_since, begun + 3s);
    EXPECT_EQ(due->at, begun + 3s + Trials::first_patience);
}

TEST(TrialsAlone, are_never_due_once_their_message_has_left) {
    Rig rig(4);
    const auto sent = rig.begin(rig.spare);
    rig.trials.send(*sent);
    rig.trials.send(*sent);
    rig.bare.now += 1s;
    const auto other = rig.begin(rig.spare);
    rig.let_wait(rig.untried_site());
    const auto due = rig.trials.next();
    ASSERT_TRUE(due);
    EXPECT_EQ(due->attempt, (*other)->attempt) << "the message of the first one has left";
    rig.trials.send(*other);
    EXPECT_FALSE(rig.trials.next());
    rig.trials.end(*other);
    rig.trials.end(*sent);
    EXPECT_FALSE(rig.sites.trials_before(rig.spare));
}

TEST(TrialsAlone, that_are_prolonged_have_all_their_time_again) {
    Rig rig(4);
    const auto trial = rig.begin(rig.spare);
    rig.let_wait(rig.untried_site());
    rig.bare.now += 4s;
    rig.trials.prolong(*trial, rig.bare.now);
    const auto due = rig.trials.next();
    ASSERT_TRUE(due);
    EXPECT_EQ(due->at, rig.bare.now + Trials::first_patience);
}

TEST(TrialsAlone, of_an_ordered_probe_have_the_long_patience) {
    Rig rig;
    const auto ordered = rig.begin(rig.silent_site(), Trials::probe_patience);
    rig.progress_of(*ordered).is_ordered = true;
    (void)rig.begin(rig.silent_site(), Trials::long_probe_patience);
    rig.fill();
    const auto begun = rig.bare.now;
    rig.let_wait(rig.silent_site());
    const auto due = rig.trials.next();
    ASSERT_TRUE(due);
    EXPECT_EQ(due->at, begun + Trials::long_probe_patience);
}

TEST(TrialsAlone, of_untried_sites_are_left_alone_if_only_silent_ones_wait_whose_places_are_taken) {
    Rig rig;
    (void)rig.begin(rig.spare, 1s);
    const auto silent = rig.begin(rig.silent_site(), Trials::probe_patience);
    (void)rig.begin(rig.silent_site(), Trials::long_probe_patience);
    rig.let_wait(rig.silent_site());
    const auto due = rig.trials.next();
    ASSERT_TRUE(due);
    EXPECT_EQ(due->attempt, (*silent)->attempt);
    rig.fill();
    rig.let_wait(rig.untried_site());
    EXPECT_EQ(rig.trials.next()->attempt, AttemptHandle(1)) << "an untried site waits now, too";
}

TEST(TrialsAlone, of_a_silent_site_are_hurried_if_an_untried_one_waits_for_the_only_place) {
    Rig rig(4);
    (void)rig.begin(rig.silent_site(), Trials::long_probe_patience);
    const auto begun = rig.bare.now;
    rig.let_wait(rig.silent_site());
    ASSERT_TRUE(rig.trials.next());
    EXPECT_EQ(rig.trials.next()->at, begun + Trials::long_probe_patience);
    rig.let_wait(rig.untried_site());
    EXPECT_EQ(rig.trials.next()->at, begun + Trials::probe_patience);
}

}  // namespace
}  // namespace mta::outbound
