#include "queue/queue_walk.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace queue {
namespace {

using testing::ElementsAre;

class QueueWalkTest : public testing::Test {
protected:
    MessageTable table_;
    std::vector<MessageHandle> handles_;

    void add(MessageId id) {
        Message message;
        message.id = id;
        message.envelope.reverse_path = "ann@office.example";
        message.envelope.recipients = {{.address = "bob@them.example", .domain = "them.example"}};
        handles_.push_back(table_.add(message));
    }
    std::vector<MessageId> visit(std::uint32_t& from, std::size_t entries_max) {
        std::vector<MessageId> ids;
        from = visit_slice(table_, from, entries_max, [&](MessageHandle message) {
            ids.push_back(table_.message(message).id);
            return true;
        });
        return ids;
    }
};

TEST_F(QueueWalkTest, a_slice_passes_so_many_entries_and_visits_those_in_use) {
    for (MessageId id = 1; id <= 5; ++id) add(id);
    table_.remove(handles_[1]);
    std::uint32_t from = 0;
    EXPECT_THAT(visit(from, 3), ElementsAre(1, 3));
    EXPECT_THAT(visit(from, 3), ElementsAre(4, 5));
    EXPECT_EQ(from, table_.message_index_end());
}

TEST_F(QueueWalkTest, a_visitor_that_has_enough_ends_the_slice_behind_its_message) {
    for (MessageId id = 1; id <= 3; ++id) add(id);
    int visited = 0;
    const auto next = visit_slice(table_, 0, 100, [&](MessageHandle) { return ++visited < 2; });
    EXPECT_EQ(visited, 2);
    EXPECT_EQ(next, 2u);
}

TEST_F(QueueWalkTest, a_walk_sees_every_message_once_and_says_when_it_is_over) {
    for (MessageId id = 1; id <= 2 * QueueWalk::slice; ++id) add(id);
    std::vector<int> seen(2 * QueueWalk::slice + 1);
    const auto note = [&](MessageHandle message) { ++seen[table_.message(message).id]; };
    QueueWalk walk;
    EXPECT_FALSE(walk.step(table_, note)) << "it was not begun";
    walk.begin();
    EXPECT_FALSE(walk.step(table_, note));
    EXPECT_TRUE(walk.is_under_way());
    EXPECT_TRUE(walk.step(table_, note));
    EXPECT_FALSE(walk.is_under_way());
    for (MessageId id = 1; id < seen.size(); ++id) ASSERT_EQ(seen[id], 1) << id;
}

TEST_F(QueueWalkTest, a_walk_over_an_empty_queue_is_over_at_once) {
    QueueWalk walk;
    walk.begin();
    EXPECT_TRUE(walk.step(table_, [](MessageHandle) { ADD_FAILURE(); }));
}

}  // namespace
}  // namespace queue
