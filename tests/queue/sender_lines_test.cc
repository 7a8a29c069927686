#include "queue/sender_lines.h"

#include <cmath>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace queue {
namespace {

class SenderLinesTest : public testing::Test {
protected:
    struct Kind {
        std::int8_t priority = 0;
        bool is_retry = false;
        bool is_huge = false;
        std::uint32_t sender = 1;
        auto operator<=>(const Kind&) const = default;
    };
    BundleHandle push(const Kind& kind) {
        Bundle bundle;
        bundle.sender = SenderGroup(kind.sender);
        bundle.priority = kind.priority;
        bundle.is_retry = kind.is_retry;
        bundle.is_huge = kind.is_huge;
        const auto index = bundles.add(bundle);
        lines.push_back(bundles, index);
        return index;
    }
    [[nodiscard]] Kind kind_of(BundleHandle handle) const {
        const auto& bundle = bundles[handle];
        return {bundle.priority, bundle.is_retry, bundle.is_huge, bundle.sender.index()};
    }
    // The next one leaves.
    Kind serve() {
        EXPECT_EQ(lines.next(), lines.next());
        const auto expected = lines.next();
        const auto index = lines.take_turn();
        EXPECT_EQ(index, expected);
        lines.remove(bundles, index);
        const auto kind = kind_of(index);
        bundles.remove(index);
        return kind;
    }
    // How often each kind was served in so many turns, while all of them have always some waiting.
    std::map<Kind, int> shares(const std::vector<Kind>& kinds, int turns) {
        for (const auto& kind : kinds)
            for (int i = 0; i < 3; ++i) push(kind);
        std::map<Kind, int> served;
        for (int i = 0; i < turns; ++i) {
            const auto kind = serve();
            ++served[kind];
            push(kind);
        }
        return served;
    }

    BundleSlab bundles;
    SenderLines lines;
};

void expect_near(int count, double want) {
    EXPECT_NEAR(count, want, want * 0.1) << "more than 10 % off";
}

TEST_F(SenderLinesTest, two_levels_more_mean_twice_as_many_turns) {
    auto served =
        shares({{.priority = 4}, {.priority = 2}, {.priority = 0}, {.priority = -4}}, 2900);
    expect_near(served[{.priority = 4}], 1600);
    expect_near(served[{.priority = 2}], 800);
    expect_near(served[{.priority = 0}], 400);
    expect_near(served[{.priority = -4}], 100);
}

TEST_F(SenderLinesTest, every_level_has_its_share_and_none_starves) {
    std::vector<Kind> kinds;
    double sum = 0;
    for (std::int8_t priority = -9; priority <= 9; ++priority) {
        kinds.push_back({.priority = priority});
        sum += std::exp2((priority + 9) / 2.0);
    }
    constexpr int turns = 200'000;
    auto served = shares(kinds, turns);
    for (const auto& kind : kinds)
        expect_near(served[kind], turns * std::exp2((kind.priority + 9) / 2.0) / sum);
}

TEST_F(SenderLinesTest, what_is_urgent_goes_at_once_however_much_waits) {
    for (int i = 0; i < 1000; ++i) push({.priority = 0});
    for (int i = 0; i < 1000; ++i) push({.priority = -9});
    for (int i = 0; i < 100; ++i) serve();
    push({.priority = 9});
    const auto first = serve();
    const auto second = serve();
    EXPECT_TRUE(first.priority == 9 || second.priority == 9);
}

TEST_F(SenderLinesTest, higher_priorities_go_first_when_all_come_together) {
    for (const int priority : {-4, 0, 9, 4, -9})
        push({.priority = static_cast<std::int8_t>(priority)});
    std::vector<int> order;
    while (lines.size() > 0) order.push_back(serve().priority);
    EXPECT_EQ(order, (std::vector<int>{9, 4, 0, -4, -9}));
}

TEST_F(SenderLinesTest, mail_that_comes_one_by_one_gets_no_more_than_its_share) {
    for (int i = 0; i < 3; ++i) push({.priority = 4});
    push({.priority = -4});
    std::map<int, int> served;
    for (int i = 0; i < 1700; ++i) {
        const auto kind = serve();
        ++served[kind.priority];
        push(kind);  // its line was empty for a moment
    }
    expect_near(served[-4], 100);
}

TEST_F(SenderLinesTest, small_mail_goes_before_huge_and_huge_mail_moves_all_the_same) {
    auto served = shares({{.is_huge = false}, {.is_huge = true}}, 1000);
    expect_near(served[{.is_huge = false}], 800);
    expect_near(served[{.is_huge = true}], 200);
}

TEST_F(SenderLinesTest, retried_mail_has_half_of_the_turns_whatever_its_size) {
    auto served = shares({{}, {.is_huge = true}, {.is_retry = true}}, 1000);
    expect_near(served[{}], 400);
    expect_near(served[{.is_huge = true}], 100);
    expect_near(served[{.is_retry = true}], 500);
}

TEST_F(SenderLinesTest, more_lines_at_a_level_do_not_give_it_more_turns) {
    auto served = shares({{.priority = 2},
                          {.priority = 0},
                          {.priority = 0, .is_huge = true},
                          {.priority = 0, .is_retry = true},
                          {.priority = 0, .is_retry = true, .is_huge = true}},
                         3000);
    expect_near(served[{.priority = 2}], 2000);
    expect_near(served[{.priority = 0}], 400);
    expect_near(served[{.priority = 0, .is_retry = true, .is_huge = true}], 100);
}

TEST_F(SenderLinesTest, senders_take_turns_whatever_their_priorities) {
    auto served = shares({{.priority = 9, .sender = 1},
                          {.priority = -9, .sender = 2},
                          {.is_huge = true, .sender = 3},
                          {.priority = 9, .sender = 4},
                          {.priority = 0, .sender = 4}},
                         4000);
    std::map<std::uint32_t, int> by_sender;
    for (const auto& [kind, count] : served) by_sender[kind.sender] += count;
    for (const auto& [sender, count] : by_sender) expect_near(count, 1000);
    EXPECT_EQ(by_sender.size(), 4u);
}

TEST_F(SenderLinesTest, each_line_keeps_its_order) {
    std::mt19937_64 rng(3);
    std::map<Kind, std::vector<BundleHandle>> waiting;
    std::size_t count = 0;
    for (int step = 0; step < 20'000; ++step) {
        const Kind kind{.priority = static_cast<std::int8_t>(rng() % 3),
                        .is_retry = rng() % 2 == 0,
                        .is_huge = rng() % 2 == 0,
                        .sender = static_cast<std::uint32_t>(rng() % 3)};
        const auto choice = rng() % 5;
        if (choice < 2 || lines.size() == 0) {
            waiting[kind].push_back(push(kind));
            ++count;
        } else if (choice < 4) {
            const auto index = lines.take_turn();
            auto& line = waiting[kind_of(index)];
            ASSERT_EQ(line.front(), index) << "step " << step;
            line.erase(line.begin());
            lines.remove(bundles, index);
            bundles.remove(index);
            --count;
        } else if (auto& line = waiting[kind]; !line.empty()) {
            // Out of the middle.
            const auto place = line.begin() + static_cast<std::ptrdiff_t>(rng() % line.size());
            lines.remove(bundles, *place);
            bundles.remove(*place);
            line.erase(place);
            --count;
        }
        ASSERT_EQ(lines.size(), count);
    }
}

TEST_F(SenderLinesTest, who_is_put_in_front_is_next_whatever_he_is) {
    const std::vector<Kind> kinds = {{},
                                     {.priority = 4},
                                     {.is_retry = true},
                                     {.is_huge = true},
                                     {.priority = -4},
                                     {.sender = 2},
                                     {.sender = 3}};
    for (const auto& kind : kinds)
        for (int i = 0; i < 3; ++i) push(kind);
    for (int i = 0; i < 200; ++i) {
        const auto index = lines.take_turn();
        lines.remove(bundles, index);
        lines.push_front(bundles, index);
        ASSERT_EQ(lines.next(), index) << i;
        ASSERT_EQ(lines.take_turn(), index) << i;  // and now it goes to the end
        lines.remove(bundles, index);
        lines.push_back(bundles, index);
    }
    EXPECT_EQ(lines.size(), 21u);
}

TEST_F(SenderLinesTest, the_only_one_of_his_sender_can_be_put_in_front_too) {
    const auto first = push({.sender = 1});
    const auto second = push({.sender = 2});
    EXPECT_EQ(lines.take_turn(), first);
    lines.remove(bundles, first);
    lines.push_front(bundles, first);
    EXPECT_EQ(serve().sender, 1u);
    EXPECT_EQ(lines.next(), second);
}

}  // namespace
}  // namespace queue
