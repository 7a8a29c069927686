#include "queue/segment_log/writing/log_condition.h"

#include <gtest/gtest.h>

namespace queue::segment_log {
namespace {

using Trouble = LogCondition::Trouble;

StoreError why(const std::string& text) { return {StoreError::Kind::no_space, text}; }

TEST(LogCondition, refuses_for_the_worst_trouble_that_holds) {
    LogCondition condition;
    EXPECT_FALSE(condition.refusal());
    condition.set(Trouble::low_space, why("low"));
    EXPECT_EQ(condition.refusal()->text, "low");
    condition.set(Trouble::stalled, why("stalled"));
    EXPECT_EQ(condition.refusal()->text, "stalled");
    condition.set(Trouble::full, why("full"));
    EXPECT_EQ(condition.refusal()->text, "full");
    condition.set(Trouble::broken, why("broken"));
    EXPECT_EQ(condition.refusal()->text, "broken");
}

TEST(LogCondition, each_trouble_but_the_last_one_can_end) {
    LogCondition condition;
    for (const auto trouble :
         {Trouble::low_space, Trouble::stalled, Trouble::full, Trouble::broken}) {
        condition.set(trouble, why("why"));
        EXPECT_TRUE(condition.has(trouble));
        EXPECT_EQ(condition.reason(trouble)->text, "why");
        condition.clear(trouble);
        EXPECT_EQ(condition.has(trouble), trouble == Trouble::broken);
        EXPECT_EQ(condition.reason(trouble).has_value(), trouble == Trouble::broken);
    }
}

TEST(LogCondition, stays_broken_for_the_first_reason) {
    LogCondition condition;
    condition.set(Trouble::broken, why("first"));
    condition.set(Trouble::broken, why("second"));
    EXPECT_EQ(condition.refusal()->text, "first");
}

TEST(LogCondition, hands_over_each_note_once) {
    LogCondition condition;
    condition.add_note("one");
    condition.add_note("two");
    EXPECT_EQ(condition.take_notes(), (std::vector<std::string>{"one", "two"}));
    EXPECT_TRUE(condition.take_notes().empty());
}

}  // namespace
}  // namespace queue::segment_log
