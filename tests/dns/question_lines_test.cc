#include "dns/question_lines.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dns/caching_resolver.h"

namespace dns {
namespace {
using namespace std::chrono_literals;
using mta::Instant;
using Lines = QuestionLines<Question>;
using Kind = Lines::Kind;

Question question(const std::string& name) { return {name, RecordType::mx}; }

std::size_t start_all(Lines& lines) {
    std::size_t started = 0;
    while (lines.start()) ++started;
    return started;
}

TEST(QuestionLines, each_kind_has_its_share_and_those_that_answered_have_all) {
    Lines lines(100);
    for (int i = 0; i < 200; ++i) {
        lines.add(question("s"), Kind::silent);
        lines.add(question("d"), Kind::unknown_domain);
        lines.add(question("h"), Kind::unknown_host);
    }
    EXPECT_EQ(start_all(lines), 75u) << "half and a quarter";
    for (int i = 0; i < 200; ++i) lines.add(question("a"), Kind::answered);
    EXPECT_EQ(start_all(lines), 25u);
    for (int i = 0; i < 50; ++i) lines.end(Kind::unknown_host);
    EXPECT_EQ(start_all(lines), 50u);
    EXPECT_EQ(lines.in_flight(), 100u);
    for (int i = 0; i < 75; ++i) lines.end(Kind::answered);
    EXPECT_EQ(start_all(lines), 75u) << "still 125 of those that answered";
    EXPECT_FALSE(lines.start());
}

TEST(QuestionLines, goes_by_kind_and_then_by_turn) {
    Lines lines(8);
    lines.add(question("silent"), Kind::silent);
    lines.add(question("domain"), Kind::unknown_domain);
    lines.add(question("host"), Kind::unknown_host);
    lines.add(question("first"), Kind::answered);
    lines.add(question("second"), Kind::answered);
    std::vector<std::string> order;
    while (const auto next = lines.start()) order.push_back(next->question.name);
    EXPECT_EQ(order, (std::vector<std::string>{"first", "second", "host", "domain", "silent"}));
}

TEST(QuestionLines, asks_briefly_while_many_are_on_their_way_but_not_what_was_silent) {
    Lines lines(8);
    for (int i = 0; i < 4; ++i) lines.add(question("d"), Kind::unknown_domain);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(lines.start()->effort, Effort::full) << i;
    EXPECT_EQ(lines.start()->effort, Effort::brief);
    lines.add(question("s"), Kind::silent);
    EXPECT_EQ(lines.start()->effort, Effort::full);
    lines.add(question("a"), Kind::answered);
    EXPECT_EQ(lines.start()->effort, Effort::brief);
}

TEST(QuestionLines, the_kind_follows_from_the_last_reaction_and_then_from_the_subject) {
    using Heard = NameMemory::Heard;
    EXPECT_EQ(Lines::kind_of(Heard::answer, Subject::domain), Kind::answered);
    EXPECT_EQ(Lines::kind_of(Heard::answer, Subject::host), Kind::answered);
    EXPECT_EQ(Lines::kind_of(Heard::silence, Subject::domain), Kind::silent);
    EXPECT_EQ(Lines::kind_of(Heard::silence, Subject::host), Kind::silent);
    EXPECT_EQ(Lines::kind_of(Heard::nothing, Subject::domain), Kind::unknown_domain);
    EXPECT_EQ(Lines::kind_of(Heard::nothing, Subject::host), Kind::unknown_host);
}

TEST(QuestionLines, even_the_smallest_has_room_for_each_kind) {
    Lines lines(1);
    for (const auto kind :
         {Kind::answered, Kind::unknown_host, Kind::unknown_domain, Kind::silent}) {
        lines.add(question("x"), kind);
        ASSERT_TRUE(lines.start());
        EXPECT_FALSE(lines.start());
        lines.end(kind);
    }
}

// ---- With the resolver: a network in virtual time ----

// Silent name servers keep a question for as long as the driver waits, others for 20 ms.
class SilenceTest : public testing::Test {
protected:
    static constexpr auto brief = 500ms;
    static constexpr auto full = 4s;  // twice 2 s

    SilenceTest() {
        resolver = std::make_unique<CachingResolver>(CachingResolver::World{
            .ask =
                [this](const Question& asked, Effort effort, auto on_answer,
                       auto&& /*on_cut_short*/) {
                    const bool is_silent = silence(asked.name);
                    const auto takes = !is_silent ? 20ms : effort == Effort::brief ? brief : full;
                    later(takes, [is_silent, done = std::move(on_answer)]() mutable {
                        done(is_silent ? Answer{std::unexpected(LookupError{
                                             LookupError::Kind::timed_out, "no answer"})}
                                       : Answer{MxRecords{{10, "mx.example"}}, 60s});
                    });
                },
            .now = [this] { return now; },
            .defer = [this](auto work) { later(0ms, std::move(work)); }});
    }

    static bool silence(const std::string& name) { return name.starts_with("dead"); }
    void later(mta::Millis delay, std::move_only_function<void()> work) {
        agenda.emplace(std::pair{now + delay, ++last}, std::move(work));
    }
    void run_for(mta::Millis duration) {
        const auto end = now + duration;
        while (!agenda.empty() && agenda.begin()->first.first <= end) {
            auto node = agenda.extract(agenda.begin());
            now = node.key().first;
            node.mapped()();
        }
        now = end;
    }
    // The result, and how long it took.
    void look_up(const std::string& name) {
        resolver->look_up_mx(name, Freshness::cached, [this, name, begin = now](const auto& found) {
            took[name] = now - begin;
            if (found) ++answered;
        });
    }
    void look_up_dead(int count) {
        for (int i = 0; i < count; ++i) look_up("dead" + std::to_string(i) + ".example");
    }

    Instant now{1000s};
    std::map<std::pair<Instant, int>, std::move_only_function<void()>> agenda;
    int last = 0;
    std::map<std::string, mta::Millis> took;
    int answered = 0;
    std::unique_ptr<CachingResolver> resolver;
};

TEST_F(SilenceTest, a_new_domain_behind_3000_dead_ones_waits_half_a_minute_at_most) {
    look_up_dead(3000);
    for (int i = 0; i < 100; ++i) look_up("new" + std::to_string(i) + ".example");
    run_for(40s);
    ASSERT_EQ(answered, 100);
    for (const auto& [name, duration] : took) {
        if (silence(name)) continue;
        EXPECT_LE(duration, 35s) << name;
    }
    look_up("later.example");
    run_for(1s);
    EXPECT_EQ(answered, 101) << "the dead ones are in a line of their own";
    run_for(10min);
    EXPECT_EQ(took.size(), 3101u) << "and each has had its full time";
}

TEST_F(SilenceTest, names_that_answered_lately_wait_for_no_dead_ones) {
    look_up("known.example");
    run_for(2min);
    ASSERT_EQ(answered, 1);
    look_up_dead(3000);
    look_up("known.example");
    run_for(50ms);
    EXPECT_EQ(answered, 2);
}

TEST_F(SilenceTest, what_was_silent_keeps_to_its_share_when_it_is_asked_again) {
    look_up_dead(3000);
    run_for(15min);
    ASSERT_EQ(took.size(), 3000u);
    look_up_dead(3000);
    for (int i = 0; i < 100; ++i) look_up("new" + std::to_string(i) + ".example");
    run_for(1s);
    EXPECT_EQ(answered, 100);
}

}  // namespace
}  // namespace dns
