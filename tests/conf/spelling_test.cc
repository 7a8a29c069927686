#include "conf/spelling.h"

#include <vector>

#include <gtest/gtest.h>

namespace conf {
namespace {

TEST(EditDistance, counts_changes_insertions_omissions_and_swaps) {
    EXPECT_EQ(edit_distance("", ""), 0u);
    EXPECT_EQ(edit_distance("", "abc"), 3u);
    EXPECT_EQ(edit_distance("abc", ""), 3u);
    EXPECT_EQ(edit_distance("lifetime", "lifetime"), 0u);
    EXPECT_EQ(edit_distance("lifetime", "lifetine"), 1u);
    EXPECT_EQ(edit_distance("lifetime", "lifetimes"), 1u);
    EXPECT_EQ(edit_distance("lifetime", "liftime"), 1u);
    EXPECT_EQ(edit_distance("lifetime", "lifteime"), 1u);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(EditDistance, is_the_same_both_ways) {
    const std::vector<std::string> words = {"", "a", "ab", "ba", "hosts", "host", "htos", "retry"};
    for (const auto& a : words) {
        for (const auto& b : words) EXPECT_EQ(edit_distance(a, b), edit_distance(b, a)) << a << b;
    }
}

TEST(Nearest, is_the_most_similar_name) {
    const std::vector<std::string> names = {"connections", "connect_timeout", "port", "memory"};
    EXPECT_EQ(nearest("conections", names), "connections");
    EXPECT_EQ(nearest("conect_timeuot", names), "connect_timeout");
    EXPECT_EQ(nearest("prot", names), "port");
    EXPECT_EQ(nearest("colour", names), "");
    EXPECT_EQ(nearest("", names), "");
    EXPECT_EQ(nearest(std::string(65, 'p'), {}), "");
}

TEST(Nearest, is_the_nearer_of_two) {
    const std::vector<std::string> names = {"connectionsx", "connections", "connectxons"};
    EXPECT_EQ(nearest("conections", names), "connections");
}

}  // namespace
}  // namespace conf
