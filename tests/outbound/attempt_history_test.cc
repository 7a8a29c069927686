// What is remembered of attempts, and of those who were given up.
#include "mta/outbound/desk/attempt_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::SizeIs;
using world::always;
using world::World;
using Kind = AttemptView::Kind;

MessageView describe(World& world, queue::MessageId id) {
    std::optional<MessageView> found;
    world.desk().describe(id, [&](auto view) {
        ASSERT_TRUE(view);
        found = std::move(*view);
    });
    world.run_for(5ms);
    EXPECT_TRUE(found);
    return found.value_or(MessageView{});
}

// "mx1.them.example [192.0.2.1]:25: words", the oldest first.
std::vector<std::string> told(const RecipientView& view) {
    std::vector<std::string> lines;
    for (const auto& attempt : view.attempts_made)
        lines.push_back(attempt.error.remote + ": " + attempt.error.text);
    return lines;
}
std::vector<Kind> kinds(const RecipientView& view) {
    std::vector<Kind> all;
    for (const auto& attempt : view.attempts_made) all.push_back(attempt.kind);
    return all;
}

void serve_two_hosts(World& world) {
    world.resolver.set_mx("them.example", {"mx1.them.example", "mx2.them.example"});
    world.resolver.set_host("mx1.them.example", {"192.0.2.1"});
    world.resolver.set_host("mx2.them.example", {"192.0.2.2"});
}

TEST(AttemptHistory, has_each_host_with_its_words) {
    World world;
    serve_two_hosts(world);
    world.server("192.0.2.1").is_refusing = true;
    world.server("192.0.2.2").reply = always("RCPT", "450-4.2.1 the mailbox\r\n450 4.2.1 is busy");
    const auto id = world.send();
    const auto began = world.agenda.now();
    world.run_for(30s);
    const auto view = describe(world, id).recipients.at(0);
    EXPECT_THAT(
        told(view),
        testing::ElementsAre(HasSubstr("mx1.them.example [192.0.2.1]:25: cannot connect"),
                             "mx2.them.example [192.0.2.2]:25: 4.2.1 the mailbox\n4.2.1 is busy"));
    EXPECT_THAT(kinds(view), testing::ElementsAre(Kind::not_charged, Kind::charged));
    EXPECT_GE(view.attempts_made[0].at, began);
    EXPECT_GE(view.attempts_made[1].at, view.attempts_made[0].at);
    EXPECT_EQ(view.attempts, 1);
    EXPECT_FALSE(view.is_history_cut);
}

TEST(AttemptHistory, an_answer_that_counts_in_the_end_is_one_entry) {
    World world;
    serve_two_hosts(world);
    world.server("192.0.2.1").reply = always("MAIL", "451 4.3.0 one is tired");
    world.server("192.0.2.2").reply = always("MAIL", "451 4.3.0 two is tired");
    const auto id = world.send();
    world.run_for(30s);
    const auto view = describe(world, id).recipients.at(0);
    EXPECT_THAT(told(view), SizeIs(2));
    EXPECT_THAT(kinds(view), testing::ElementsAre(Kind::not_charged, Kind::charged));
    EXPECT_EQ(view.attempts, 1);
}

TEST(AttemptHistory, keeps_recipients_apart) {
    World world;
    world.serve("them.example").reply = always("RCPT TO:<busy@", "450 4.2.1 later");
    world.serve("slow.example", "192.0.2.9").reply = always("RCPT", "450 4.2.1 slow");
    const auto id = world.send({.to = {"busy@them.example", "bob@slow.example"}});
    world.run_for(2min);
    const auto view = describe(world, id);
    ASSERT_THAT(view.recipients, SizeIs(2));
    EXPECT_THAT(told(view.recipients[0]), testing::Each(HasSubstr("later")));
    EXPECT_THAT(told(view.recipients[1]), testing::Each(HasSubstr("slow")));
    EXPECT_THAT(told(view.recipients[0]), SizeIs(2));
}

TEST(AttemptHistory, says_what_a_restart_still_knows) {
    World world;
    world.serve("them.example").reply = always("RCPT", "450 4.2.1 later");
    const auto id = world.send();
    world.run_for(2min);
    ASSERT_EQ(world.store.kept.at(id).states[0].attempts, 2);
    const auto kept = world.store.kept.at(id);
    world.restart();
    world.run_for(2s);
    world.manager().load(queue::to_queued({kept.message, kept.states}));
    auto view = describe(world, id).recipients.at(0);
    ASSERT_THAT(kinds(view), testing::ElementsAre(Kind::earlier));
    EXPECT_EQ(view.attempts_made[0].attempts, 2);
    EXPECT_EQ(view.attempts_made[0].error.text, "4.2.1 later");

    world.server("192.0.2.1").reply = always("RCPT", "450 4.2.1 still later");
    world.run_for(10min);
    view = describe(world, id).recipients.at(0);
    ASSERT_THAT(kinds(view), testing::ElementsAre(Kind::earlier, Kind::charged));
    EXPECT_EQ(view.attempts_made[0].attempts, 2);
    EXPECT_EQ(view.attempts_made[1].error.text, "4.2.1 still later");
}

TEST(AttemptHistory, tells_a_destination_s_trouble_from_the_message_s) {
    World world;
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    const auto first = world.send();
    world.run_for(1s);
    const auto second = world.send();
    world.run_for(1s);
    const auto tried = describe(world, first).recipients.at(0);
    const auto waits = describe(world, second).recipients.at(0);
    EXPECT_EQ(tried.reason, WaitReason::destination_down);
    EXPECT_THAT(told(tried), SizeIs(1));
    EXPECT_EQ(waits.reason, WaitReason::destination_down);
    EXPECT_THAT(told(waits), SizeIs(0)) << "it was never tried";
    EXPECT_TRUE(waits.blocker.since);
    EXPECT_EQ(waits.blocker.in_line, 2u);
    EXPECT_GE(waits.blocker.failures, 1u);
}

// ---- By itself ----

class HistoryTest : public testing::Test {
protected:
    queue::MessageHandle add(queue::MessageId id, std::size_t recipients = 1) {
        queue::Message message;
        message.id = id;
        message.arrival = start;
        message.envelope.recipients.assign(recipients,
                                           {"bob@them.example", "them.example", {}, {}});
        return table.add(message);
    }
    static DeliveryError said(const std::string& text) {
        return {.status = {4, 2, 1}, .scope = Scope::recipient, .reply_code = 450, .text = text};
    }
    const Instant start = from_unix_ms(1'790'000'000'000);
    queue::MessageTable table;
};

TEST_F(HistoryTest, forgets_the_oldest_of_all_first_and_says_so) {
    constexpr std::size_t bytes_max = 20'000;
    AttemptHistory history(table, start, bytes_max);
    const auto old = add(1);
    const auto young = add(2);
    history.note(old, {.kind = Kind::charged, .at = start, .error = said("old")});
    int noted = 0;
    for (; noted < 10'000; ++noted) {
        const auto text = "word " + std::to_string(noted);
        history.note(young, {.kind = Kind::charged, .at = start + 1s, .error = said(text)});
        ASSERT_LE(history.bytes(), bytes_max);
    }
    EXPECT_THAT(history.of(old).recipients[0], SizeIs(0));
    EXPECT_TRUE(history.of(old).is_cut);
    const auto kept = history.of(young);
    ASSERT_FALSE(kept.recipients[0].empty());
    EXPECT_TRUE(kept.is_cut);
    EXPECT_EQ(kept.recipients[0].back().error.text, "word 9999");
    for (std::size_t i = 1; i < kept.recipients[0].size(); ++i)
        EXPECT_LT(kept.recipients[0][i - 1].error.text, kept.recipients[0][i].error.text);
}

TEST_F(HistoryTest, the_same_words_cost_next_to_nothing) {
    AttemptHistory history(table, start);
    const auto message = add(1);
    const auto words = said(std::string(4000, 'x'));
    for (int i = 0; i < 1000; ++i)
        history.note(message, {.kind = Kind::charged, .at = start, .error = words});
    EXPECT_LT(history.bytes(), 40'000u);
    EXPECT_THAT(history.of(message).recipients[0], SizeIs(limits::attempts_shown_max));
    EXPECT_TRUE(history.of(message).is_cut);
}

TEST_F(HistoryTest, its_limit_is_one_of_bytes_and_words_count) {
    constexpr std::size_t bytes_max = 200'000;
    AttemptHistory history(table, start, bytes_max);
    const auto message = add(1);
    const std::string words(4000, 'x');
    for (int i = 0; i < 500; ++i) {
        const auto error = said(words + std::to_string(i));
        history.note(message, {.kind = Kind::charged, .at = start, .error = error});
    }
    EXPECT_LE(history.size() * words.size(), bytes_max);
    EXPECT_GT(history.size(), 20u);
}

TEST_F(HistoryTest, looks_at_so_many_of_a_message_s_attempts_and_says_that_there_were_more) {
    AttemptHistory history(table, start);
    const auto message = add(1, 2);
    const auto note = [&](std::uint32_t recipient) {
        history.note(
            message,
            {.recipient = recipient, .kind = Kind::charged, .at = start, .error = said("later")});
    };
    note(1);
    for (std::size_t i = 1; i < limits::attempts_looked_at_max; ++i) note(0);
    EXPECT_THAT(history.of(message).recipients[1], SizeIs(1));
    note(0);
    EXPECT_THAT(history.of(message).recipients[1], SizeIs(0));
    EXPECT_TRUE(history.of(message).is_cut);
}

TEST_F(HistoryTest, a_message_does_not_inherit_from_the_one_in_its_place_before) {
    AttemptHistory history(table, start);
    const auto message = add(1);
    history.note(message, {.kind = Kind::charged, .at = start, .error = said("of the first")});
    history.forget(message);
    table.remove(message);
    ASSERT_EQ(add(2), message) << "the same place";
    EXPECT_THAT(history.of(message).recipients[0], SizeIs(0));
    history.note(message, {.kind = Kind::charged, .at = start, .error = said("of the second")});
    EXPECT_THAT(history.of(message).recipients[0], SizeIs(1));
    EXPECT_FALSE(history.of(message).is_cut);
}

TEST_F(HistoryTest, an_answer_that_counts_does_so_for_its_own_recipient) {
    AttemptHistory history(table, start);
    const auto message = add(1, 2);
    const auto busy = said("busy");
    const auto note = [&](std::uint32_t recipient, Kind kind) {
        history.note(message, {.recipient = recipient, .kind = kind, .at = start, .error = busy});
    };
    note(0, Kind::not_charged);
    note(1, Kind::not_charged);
    note(0, Kind::charged);
    const auto found = history.of(message).recipients;
    ASSERT_THAT(found[0], SizeIs(1));
    ASSERT_THAT(found[1], SizeIs(1));
    EXPECT_EQ(found[0][0].kind, Kind::charged);
    EXPECT_EQ(found[1][0].kind, Kind::not_charged);
}

TEST_F(HistoryTest, one_server_s_long_words_are_cut) {
    AttemptHistory history(table, start);
    const auto message = add(1);
    history.note(message,
                 {.kind = Kind::charged, .at = start, .error = said(std::string(64'000, 'x'))});
    EXPECT_EQ(history.of(message).recipients[0].at(0).error.text.size(),
              limits::attempt_words_bytes_max);
}

// ---- Endings ----

TEST(Endings, tell_why_somebody_was_given_up_and_which_report_says_so) {
    World world;
    world.serve("office.example", "192.0.2.7").is_refusing = true;
    const auto id = world.send({.from = "ann@office.example", .to = {"bob@nowhere.example"}});
    world.run_for(1s);
    const auto endings = world.desk().endings({.id = id}, 10);
    ASSERT_THAT(endings, SizeIs(1));
    EXPECT_EQ(endings[0].address, "bob@nowhere.example");
    EXPECT_EQ(endings[0].error.scope, Scope::domain);
    EXPECT_NE(endings[0].report, 0u);
    EXPECT_TRUE(endings[0].is_report_queued) << "its way is blocked";
    EXPECT_THAT(world.desk().endings({.address = "BOB@nowhere.example"}, 10), SizeIs(1));
    EXPECT_THAT(world.desk().endings({.domain = "nowhere.example"}, 10), SizeIs(1));
    EXPECT_THAT(world.desk().endings({.domain = "office.example"}, 10), SizeIs(0));
    EXPECT_THAT(world.desk().endings({.id = id + 1000}, 10), SizeIs(0));

    world.server("192.0.2.7").is_refusing = false;
    world.run_for(10min);
    EXPECT_FALSE(world.desk().endings({.id = id}, 10).at(0).is_report_queued);
}

TEST(Endings, are_bounded_and_the_newest_stay) {
    Endings endings;
    for (std::size_t i = 1; i <= limits::endings_max + 5; ++i) endings.add({.id = i});
    EXPECT_THAT(endings.find({.id = 5}, 10), SizeIs(0));
    EXPECT_THAT(endings.find({.id = 6}, 10), SizeIs(1));
    const auto newest = endings.find({}, 3);
    ASSERT_THAT(newest, SizeIs(3));
    EXPECT_EQ(newest.back().id, limits::endings_max + 5);
}

TEST(Endings, long_words_are_cut) {
    Endings endings;
    endings.add({.id = 1, .error = {.text = std::string(4000, 'x')}});
    EXPECT_EQ(endings.find({.id = 1}, 1).at(0).error.text.size(), limits::ending_words_bytes_max);
}

TEST(Endings, are_found_whatever_the_case_and_by_the_last_at_sign) {
    Endings endings;
    endings.add({.id = 1, .address = "\"a@b.example\"@Them.Example", .error = {}});
    EXPECT_THAT(endings.find({.address = "\"A@b.example\"@them.example"}, 10), SizeIs(1));
    EXPECT_THAT(endings.find({.domain = "THEM.example"}, 10), SizeIs(1));
    EXPECT_THAT(endings.find({.domain = "b.example"}, 10), SizeIs(0));
}

}  // namespace
}  // namespace mta::outbound
