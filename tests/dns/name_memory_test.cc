#include "dns/name_memory.h"

#include <string>

#include <gtest/gtest.h>

namespace dns {
namespace {
using namespace std::chrono_literals;
using mta::Instant;
using Heard = NameMemory::Heard;

TEST(NameMemory, remembers_the_last_reaction_for_an_hour) {
    NameMemory names;
    const Instant begin{1000s};
    EXPECT_EQ(names.find("a.example", begin), Heard::nothing);
    names.put("a.example", Heard::silence, begin);
    names.put("b.example", Heard::answer, begin);
    EXPECT_EQ(names.find("a.example", begin + 1h - 1ms), Heard::silence);
    EXPECT_EQ(names.find("b.example", begin), Heard::answer);
    EXPECT_EQ(names.find("a.example", begin + 1h), Heard::nothing);
    names.put("a.example", Heard::answer, begin);
    EXPECT_EQ(names.find("a.example", begin), Heard::answer);
    names.clear();
    EXPECT_EQ(names.find("a.example", begin), Heard::nothing);
}

TEST(NameMemory, forgets_and_never_mixes_up_when_there_are_too_many_names) {
    NameMemory names;
    const Instant now{1000s};
    constexpr int count = 200'000;
    for (int i = 0; i < count; ++i)
        names.put(std::to_string(i) + ".example", i % 2 == 0 ? Heard::answer : Heard::silence, now);
    int known = 0;
    for (int i = 0; i < count; ++i) {
        const auto heard = names.find(std::to_string(i) + ".example", now);
        if (heard == Heard::nothing) continue;
        ++known;
        EXPECT_EQ(heard, i % 2 == 0 ? Heard::answer : Heard::silence) << i;
    }
    EXPECT_GT(known, 50'000);
    EXPECT_LE(known, 1 << 16);
}

}  // namespace
}  // namespace dns
