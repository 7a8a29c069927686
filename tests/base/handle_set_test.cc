#include "mta/base/handle_set.h"

#include <gtest/gtest.h>

#include "mta/base/handle.h"

namespace mta {
namespace {

using Entry = Handle<struct EntryTag>;

TEST(HandleSet, contains_what_was_inserted_and_nothing_else) {
    HandleSet<Entry> set;
    EXPECT_TRUE(set.is_empty());
    EXPECT_FALSE(set.contains(Entry(0)));
    set.insert(Entry(70));
    set.insert(Entry(3));
    EXPECT_FALSE(set.is_empty());
    for (std::uint32_t index = 0; index < 200; ++index)
        EXPECT_EQ(set.contains(Entry(index)), index == 70 || index == 3) << index;
    set.clear();
    EXPECT_TRUE(set.is_empty());
    EXPECT_FALSE(set.contains(Entry(3)));
}

}  // namespace
}  // namespace mta
