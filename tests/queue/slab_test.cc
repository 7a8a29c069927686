#include "queue/slab.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace queue {
namespace {

TEST(Slab, uses_the_handle_of_a_removed_entry_again) {
    Slab<std::string> slab;
    const auto first = slab.add("first");
    const auto second = slab.add("second");
    slab.remove(first);
    EXPECT_EQ(slab.size(), 1u);
    EXPECT_EQ(slab[first], "") << "a free entry is as if it had never been used";
    EXPECT_EQ(slab.add("third"), first);
    EXPECT_EQ(slab[first], "third");
    EXPECT_EQ(slab[second], "second");
}

TEST(Slab, entries_stay_where_they_are_while_it_grows) {
    Slab<std::uint64_t> slab;
    const auto first = slab.add(7);
    const auto* const place = &slab[first];
    for (std::uint64_t i = 0; i < 100'000; ++i) (void)slab.add(i);
    EXPECT_EQ(&slab[first], place);
    EXPECT_EQ(slab[first], 7u);
}

TEST(Slab, walks_over_all_handles_that_were_handed_out) {
    Slab<int> slab;
    EXPECT_EQ(slab.handles().begin(), slab.handles().end());
    std::vector<mta::Handle<int>> added;
    for (int i = 0; i < 3; ++i) added.push_back(slab.add(i));
    slab.remove(added[1]);
    std::vector<mta::Handle<int>> walked;
    for (const auto handle : slab.handles()) walked.push_back(handle);
    EXPECT_EQ(walked, added);
}

TEST(RunSlab, entries_of_a_run_lie_side_by_side_and_apart_from_those_of_others) {
    RunSlab<int> slab;
    std::vector<std::pair<mta::Handle<int>, std::uint32_t>> runs;
    for (std::uint32_t count = 1; count <= 300; ++count) runs.emplace_back(slab.add(count), count);
    for (const auto& [run, count] : runs)
        std::ranges::fill(slab.entries(run, count), static_cast<int>(count));
    for (const auto& [run, count] : runs) {
        for (const auto entry : slab.entries(run, count)) ASSERT_EQ(entry, static_cast<int>(count));
        EXPECT_EQ(&slab.at(run, count - 1), &slab.entries(run, count).back());
    }
}

TEST(RunSlab, uses_the_room_of_a_removed_run_again) {
    RunSlab<int> slab;
    const auto run = slab.add(5);
    std::ranges::fill(slab.entries(run, 5), 1);
    slab.remove(run, 5);
    EXPECT_EQ(slab.add(7), run) << "the same power of two";
    for (const auto entry : slab.entries(run, 7)) EXPECT_EQ(entry, 0);
}

}  // namespace
}  // namespace queue
