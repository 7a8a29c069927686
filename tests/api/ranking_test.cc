#include "mta/api/queue/ranking.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace mta::api {
namespace {

using namespace std::chrono_literals;

const Instant start = from_unix_ms(1'795'003'200'000);

struct Mail {
    queue::MessageId id = 0;
    Instant arrived = start;
    std::uint64_t size_bytes = 1024;
    std::string sender;
    std::uint16_t attempts = 0;
    std::string destination;
    std::optional<Instant> next;
};

void add(Ranking& ranking, const Mail& mail) {
    const outbound::RecipientHit recipient{
        .attempts = mail.attempts, .destination = mail.destination, .next_attempt = mail.next};
    ranking.add({mail.id, mail.arrived, mail.size_bytes, mail.sender, {&recipient, 1}}, 0);
}

std::vector<queue::MessageId> ids_of(Ranking& ranking) {
    std::vector<queue::MessageId> ids;
    for (const auto& place : ranking.take()) ids.push_back(place.rank.id);
    return ids;
}

const std::vector<Mail> mails = {
    {1, start + 2h, 4096, "carl@x", 0, "mx.b", start + 9h},
    {2, start + 1h, 1024, "ann@x", 7, "", std::nullopt},
    {3, start + 3h, 9 << 20, "bob@x", 3, "mx.a", start + 4h},
    {4, start + 1h, 1024, "", 7, "mx.c", start + 5h},
};

TEST(Ranking, puts_first_what_an_operator_looks_for) {
    struct Row {
        const char* name;
        std::vector<queue::MessageId> ids;
    };
    const Row rows[] = {{"age", {2, 4, 1, 3}},    {"size", {3, 1, 2, 4}},
                        {"next", {3, 4, 1, 2}},   {"attempts", {2, 4, 3, 1}},
                        {"sender", {4, 2, 3, 1}}, {"destination", {2, 3, 1, 4}}};
    for (const auto& row : rows) {
        const auto by = parse_sort(row.name);
        ASSERT_TRUE(by);
        Ranking forward({.by = *by}, 10, std::nullopt);
        Ranking backward({.by = *by, .is_reversed = true}, 10, std::nullopt);
        for (const auto& mail : mails) {
            add(forward, mail);
            add(backward, mail);
        }
        EXPECT_EQ(ids_of(forward), row.ids) << row.name;
        auto reversed = row.ids;
        std::ranges::reverse(reversed);
        EXPECT_EQ(ids_of(backward), reversed) << row.name;
    }
    EXPECT_FALSE(parse_sort("colour"));
}

TEST(Ranking, counts_the_most_tried_and_the_soonest_of_a_message_s_recipients) {
    const outbound::RecipientHit mixed[] = {{.attempts = 5, .next_attempt = start + 1h},
                                            {.attempts = 9, .next_attempt = start + 5h},
                                            {.attempts = 1, .next_attempt = start + 2h}};
    const outbound::RecipientHit even[] = {{.attempts = 7, .next_attempt = start + 90min}};
    Ranking by_attempts({.by = SortBy::attempts}, 10, std::nullopt);
    Ranking by_next({.by = SortBy::next, .is_reversed = true}, 10, std::nullopt);
    for (auto* const ranking : {&by_attempts, &by_next}) {
        ranking->add({1, start, 1024, "", even}, 0);
        ranking->add({2, start, 1024, "", mixed}, 0);
    }
    EXPECT_EQ(ids_of(by_attempts), (std::vector<queue::MessageId>{2, 1}));
    EXPECT_EQ(ids_of(by_next), (std::vector<queue::MessageId>{1, 2}));
}

TEST(Ranking, pages_without_gap_or_repetition_in_whatever_order_mail_is_met) {
    std::mt19937 rng(4711);
    for (const auto by : {SortBy::age, SortBy::sender}) {
        std::vector<Mail> many;
        for (queue::MessageId id = 1; id <= 500; ++id) {
            many.push_back({.id = id,
                            .arrived = start + Millis(rng() % 50),
                            .sender = "s" + std::to_string(rng() % 30)});
        }
        std::vector<queue::MessageId> seen;
        std::optional<Rank> after;
        for (int page = 0; page < 100; ++page) {
            std::ranges::shuffle(many, rng);
            Ranking ranking({.by = by}, 7, after);
            for (const auto& mail : many) add(ranking, mail);
            EXPECT_EQ(ranking.totals().messages, 500u);
            const bool has_more = ranking.has_more();
            const auto places = ranking.take();
            for (const auto& place : places) seen.push_back(place.rank.id);
            if (!has_more) break;
            after = parse_rank(to_cursor(places.back().rank));
            ASSERT_TRUE(after);
            ASSERT_EQ(*after, places.back().rank);
        }
        ASSERT_EQ(seen.size(), 500u);
        const auto key = [&](queue::MessageId id) {
            const auto& mail = *std::ranges::find(many, id, &Mail::id);
            return by == SortBy::age ? std::tuple(mail.arrived, std::string(), id)
                                     : std::tuple(start, mail.sender, id);
        };
        EXPECT_TRUE(std::ranges::is_sorted(seen, {}, key));
        EXPECT_TRUE(std::ranges::adjacent_find(seen) == seen.end());
    }
}

TEST(Ranking, a_cursor_is_one_of_ours_or_none) {
    const Rank ranks[] = {{0, "", 1}, {-5, "a\xff\n-", 7}, {INT64_MAX, "x", queue::message_id_max}};
    for (const auto& rank : ranks) EXPECT_EQ(parse_rank(to_cursor(rank)), rank);
    for (const auto* const text :
         {"", "1", "1-", "1-2", "x-2-", "1-x-", "1-2-a", "1-2-zz", "1-2-a-"})
        EXPECT_FALSE(parse_rank(text)) << text;
}

TEST(Totals, add_up) {
    Totals totals;
    const outbound::RecipientHit two[] = {{.next_attempt = start + 5h},
                                          {.next_attempt = start + 4h}};
    const outbound::RecipientHit one{};
    totals.add({1, start + 1h, 1024, "", two});
    totals.add({2, start, 2048, "", {&one, 1}});
    EXPECT_EQ(totals.messages, 2u);
    EXPECT_EQ(totals.recipients, 3u);
    EXPECT_EQ(totals.bytes, 3072u);
    EXPECT_EQ(totals.oldest, start);
    EXPECT_EQ(totals.next, start + 4h);
}

}  // namespace
}  // namespace mta::api
