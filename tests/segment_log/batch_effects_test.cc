#include "queue/segment_log/writing/batch_effects.h"

#include "tests/segment_log/writing_world.h"

namespace queue::segment_log {
namespace {

using Cause = BatchEffects::Cause;

TEST(BatchEffects, a_message_is_found_from_the_moment_it_is_written) {
    WritingWorld world;
    world.write(Enqueue{shared_message(7, "body")});
    const auto found = world.index.find(7);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->enqueue.segment, world.streams.hot().number());
    EXPECT_EQ(world.uses.live_bytes(), found->enqueue.bytes);
}

TEST(BatchEffects, a_superseded_state_stays_live_until_the_newer_one_is_certain) {
    WritingWorld world;
    world.write(Enqueue{shared_message(7, "body")});
    world.write(Update{.id = 7, .states = make_states(1), .reports = {}});
    const auto before = world.index.find(7)->state;
    const auto live_bytes = world.uses.live_bytes();
    world.write(Update{.id = 7, .states = make_states(2), .reports = {}});
    const auto after = world.index.find(7)->state;
    EXPECT_NE(after, before);
    EXPECT_EQ(world.uses.live_bytes(), live_bytes + after.bytes);
    ASSERT_EQ(world.effects.superseded().size(), 1u);
    EXPECT_EQ(world.effects.superseded()[0].bytes, before.bytes);
    world.effects.drop_superseded(Cause::writing);
    EXPECT_EQ(world.uses.live_bytes(), live_bytes + after.bytes - before.bytes);
    EXPECT_TRUE(world.effects.superseded().empty());
}

TEST(BatchEffects, of_a_finished_message_nothing_is_live_once_that_is_certain) {
    WritingWorld world;
    world.write(AppendBody{7, std::string(3000, 'x')});
    world.write(Enqueue{large_message(7, 3000)});
    world.write(Update{.id = 7, .states = make_states(1), .reports = {}});
    world.write(Finish{.id = 7, .reports = {}});
    EXPECT_FALSE(world.index.find(7));
    EXPECT_GT(world.uses.live_bytes(), 3000u);
    world.effects.drop_superseded(Cause::writing);
    EXPECT_EQ(world.uses.live_bytes(), 0u);
}

TEST(BatchEffects, states_of_some_recipients_are_merged_when_they_take_as_much_as_one_of_all) {
    WritingWorld world;
    world.write(Enqueue{shared_message(7, "body")});
    StateChanges change = make_states(1);
    change.changes.pop_back();
    int deltas = 0;
    world.compaction.look_again();
    [[maybe_unused]] const auto none = world.compaction.begin_turn(0);
    ASSERT_FALSE(world.compaction.is_due());
    for (; !world.compaction.is_due() && deltas < 1000; ++deltas) {
        world.write(Update{.id = 7, .states = change, .reports = {}});
    }
    EXPECT_GT(deltas, 1);
    EXPECT_LT(deltas, 1000);
    EXPECT_EQ(world.index.find(7)->deltas.size(), static_cast<std::size_t>(deltas));
}

}  // namespace
}  // namespace queue::segment_log
