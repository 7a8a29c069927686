#include "mta/base/handle_timers.h"

#include <vector>

#include <gtest/gtest.h>

#include "mta/base/handle.h"

namespace mta {
namespace {

using namespace std::chrono_literals;
using Entry = Handle<struct EntryTag>;

TEST(HandleTimers, name_the_timers_that_have_fired_by_their_entries) {
    const Instant start{1h};
    HandleTimers<Entry> timers(start);
    EXPECT_EQ(timers.next(), std::nullopt);
    timers.set(Entry(7), start + 2ms);
    timers.set(Entry(1), start + 1ms);
    timers.set(Entry(5), start + 1ms);
    timers.clear(Entry(5));
    EXPECT_FALSE(timers.is_set(Entry(5)));
    EXPECT_EQ(timers.time_of(Entry(7)), start + 2ms);
    EXPECT_EQ(timers.next(), start + 1ms);
    EXPECT_EQ(timers.advance(start + 2ms), (std::vector{Entry(1), Entry(7)}));
    EXPECT_TRUE(timers.advance(start + 1h).empty()) << "each fires once";
}

TEST(HandleTimers, may_be_set_again_while_those_that_fired_are_served) {
    const Instant start{1h};
    HandleTimers<Entry> timers(start);
    for (std::uint32_t index = 0; index < 100; ++index) timers.set(Entry(index), start);
    std::size_t served = 0;
    for (const auto entry : timers.advance(start)) {
        timers.set(entry, start + 1ms);
        timers.set(Entry(1000 + entry.index()), start + 1ms);
        ++served;
    }
    EXPECT_EQ(served, 100u);
    EXPECT_EQ(timers.advance(start + 1ms).size(), 200u);
}

}  // namespace
}  // namespace mta
