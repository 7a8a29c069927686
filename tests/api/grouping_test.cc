#include "mta/api/queue/grouping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::api {
namespace {

using namespace std::chrono_literals;
using outbound::RecipientHit;
using outbound::ViewState;

const Instant start = from_unix_ms(1'795'003'200'000);

std::string summary(const Grouping& grouping, std::size_t limit = 100) {
    std::string out;
    for (const auto& group : grouping.take(limit)) {
        out += (out.empty() ? "" : ", ") + group.name + ' ' +
               std::to_string(group.totals.messages) + '/' +
               std::to_string(group.totals.recipients);
    }
    return out;
}

const DeliveryError greylisted{
    .status = {4, 7, 1}, .reply_code = 450, .text = "4.7.1 <bob@x>: greylisted, id 123456"};
const DeliveryError also_greylisted{
    .status = {4, 7, 1}, .reply_code = 450, .text = "4.7.1 <eve@y>: greylisted, id 777777"};

void fill(Grouping& grouping) {
    const RecipientHit first[] = {
        {.error = &greylisted,
         .error_identity = &greylisted,
         .domain = "a.example",
         .destination = "mx.a"},
        {.state = ViewState::held, .domain = "b.example", .next_attempt = start + 2h},
        {.error = &also_greylisted,
         .error_identity = &also_greylisted,
         .domain = "a.example",
         .next_attempt = start + 1h}};
    const RecipientHit second[] = {{.domain = "a.example", .destination = "mx.a"}};
    grouping.begin_turn();
    grouping.add({1, start + 1h, 1024, "ann@us", first}, 0);
    grouping.add({2, start, 2048, "", second}, 1);
}

TEST(Grouping, counts_a_message_once_in_each_group_that_it_has_recipients_in) {
    const std::pair<const char*, const char*> rows[] = {
        {"domain", "a.example 2/3, b.example 1/1"},
        {"destination", "mx.a 2/2,  1/2"},
        {"sender", " 1/1, ann@us 1/3"},
        {"reason", " 2/2, 450 4.7.1 ... greylisted, id ... 1/2"},
        {"state", "queued 2/3, held 1/1"}};
    for (const auto& [name, groups] : rows) {
        const auto by = parse_group(name);
        ASSERT_TRUE(by);
        Grouping grouping(*by);
        fill(grouping);
        EXPECT_EQ(summary(grouping), groups) << name;
        EXPECT_EQ(grouping.totals().messages, 2u);
        EXPECT_EQ(grouping.totals().recipients, 4u);
    }
    EXPECT_FALSE(parse_group("colour"));
}

TEST(Grouping, knows_the_oldest_and_the_next_of_each_group) {
    Grouping grouping(GroupBy::domain);
    fill(grouping);
    const auto groups = grouping.take(100);
    EXPECT_EQ(groups[0].totals.oldest, start);
    EXPECT_EQ(groups[0].totals.next, start + 1h);
    EXPECT_EQ(groups[0].totals.bytes, 3072u);
    EXPECT_EQ(groups[1].totals.oldest, start + 1h);
    EXPECT_EQ(groups[1].totals.next, start + 2h);
}

TEST(Grouping, sums_up_those_that_are_not_shown) {
    Grouping grouping(GroupBy::domain);
    fill(grouping);
    EXPECT_EQ(summary(grouping, 1), "a.example 2/3");
    const auto others = grouping.others(1);
    EXPECT_EQ(others.totals.messages, 1u);
    EXPECT_EQ(others.totals.recipients, 1u);
    EXPECT_EQ(others.totals.bytes, 1024u);
    EXPECT_EQ(others.totals.oldest, start + 1h);
    EXPECT_EQ(others.totals.next, start + 2h);
    EXPECT_EQ(grouping.others(2).totals.messages, 0u);
}

TEST(Grouping, keeps_so_many_groups_apart_and_counts_the_rest_together) {
    constexpr std::size_t too_many = 10;
    std::vector<std::string> domains;
    for (std::size_t i = 0; i < Grouping::groups_max + too_many; ++i)
        domains.push_back('d' + std::to_string(i) + ".example");
    Grouping grouping(GroupBy::domain);
    grouping.begin_turn();
    for (std::size_t i = 0; i < domains.size(); ++i) {
        const RecipientHit hit{.domain = domains[i]};
        grouping.add({i + 1, start, 1024, "", {&hit, 1}}, 0);
    }
    const auto groups = grouping.take(domains.size());
    ASSERT_EQ(groups.size(), Grouping::groups_max);
    for (const auto& group : groups) ASSERT_EQ(group.totals.messages, 1u) << group.name;
    EXPECT_EQ(grouping.others(groups.size()).totals.messages, too_many);
}

// A name that was freed and whose place another took.
TEST(Grouping, believes_no_place_in_memory_over_a_turn) {
    std::string name = "a.example";
    Grouping grouping(GroupBy::domain);
    for (const auto* const domain : {"a.example", "b.example"}) {
        name = domain;
        const RecipientHit hit{.domain = name};
        grouping.begin_turn();
        grouping.add({name == "a.example" ? 1u : 2u, start, 1024, "", {&hit, 1}}, 0);
    }
    EXPECT_EQ(summary(grouping), "a.example 1/1, b.example 1/1");
}

TEST(Grouping, asks_for_a_pause_after_so_many_names_and_goes_on_where_it_was) {
    std::vector<DeliveryError> errors(Grouping::names_a_turn_max + 10);
    for (std::size_t i = 0; i < errors.size(); ++i) errors[i].text = "w" + std::string(i % 7, 'x');
    Grouping grouping(GroupBy::reason);
    std::vector<std::size_t> turns = {0};
    grouping.begin_turn();
    for (std::size_t i = 0; i < errors.size(); ++i) {
        const RecipientHit hit{
            .error = &errors[i], .error_identity = &errors[i], .domain = "a.example"};
        ++turns.back();
        if (grouping.add({i + 1, start, 1024, "", {&hit, 1}}, 0)) continue;
        turns.push_back(0);
        grouping.begin_turn();
    }
    EXPECT_EQ(turns, (std::vector<std::size_t>{Grouping::names_a_turn_max, 10}));
    EXPECT_EQ(grouping.totals().messages, errors.size());
    EXPECT_EQ(grouping.size(), 7u);
    for (int i = 0; i < 1000; ++i) {
        const RecipientHit hit{
            .error = &errors[0], .error_identity = &errors[0], .domain = "a.example"};
        EXPECT_TRUE(grouping.add({errors.size() + 1, start, 1024, "", {&hit, 1}}, 0));
    }
}

TEST(ReasonGroup, leaves_out_what_differs_from_message_to_message) {
    const std::pair<const char*, const char*> rows[] = {
        {"4.2.2 mailbox full", "450 4.2.2 mailbox full"},
        {"4.7.1 <bob@them.example>: greylisted", "450 4.7.1 ... greylisted"},
        {"4.7.0 [192.0.2.1] try in 300 seconds", "450 4.7.0 ... try in 300 seconds"},
        {"4.7.0 ticket 471 of 4711", "450 4.7.0 ticket 471 of ..."},
        {"4.3.0 busy\n4.3.0 queue 7F00ABC1234", "450 4.3.0 busy 4.3.0 queue ..."}};
    for (const auto& [text, group] : rows) {
        const DeliveryError error{.reply_code = 450, .text = text};
        EXPECT_EQ(reason_group(&error), group);
    }
    const DeliveryError ours{.text = "cannot connect: connection refused"};
    EXPECT_EQ(reason_group(&ours), ours.text);
    EXPECT_EQ(reason_group(nullptr), "");
    const DeliveryError endless{.text = std::string(5000, 'x') + " y"};
    EXPECT_LT(reason_group(&endless).size(), 200u);
}

}  // namespace
}  // namespace mta::api
