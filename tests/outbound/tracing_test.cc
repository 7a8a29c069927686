#include "mta/outbound/desk/tracing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using world::World;

std::vector<std::string> texts(World& world, const std::string& watcher, const std::string& what) {
    const auto fetched = world.desk().trace(watcher, what);
    EXPECT_TRUE(fetched);
    std::vector<std::string> lines;
    if (!fetched) return lines;
    for (const auto& line : fetched->lines) {
        const auto* const mark = line.kind == TraceLine::Kind::sent       ? "> "
                                 : line.kind == TraceLine::Kind::received ? "< "
                                                                          : "* ";
        lines.push_back(mark + line.text);
    }
    return lines;
}

TEST(Tracing, shows_the_dialogue_of_the_domain_and_of_no_other) {
    World world;
    world.serve("them.example");
    world.serve("others.example", "192.0.2.2");
    EXPECT_THAT(texts(world, "w", "them.example"), IsEmpty());
    world.send({.to = {"bob@them.example"}, .body = "Subject: private\r\n\r\nvery private\r\n"});
    world.send({.to = {"eve@others.example"}});
    world.run_for(1s);
    const auto lines = texts(world, "w", "them.example");
    EXPECT_THAT(lines, Contains("* connecting"));
    EXPECT_THAT(lines, Contains(HasSubstr("> EHLO relay.office.example")));
    EXPECT_THAT(lines, Contains(HasSubstr("> RCPT TO:<bob@them.example>")));
    EXPECT_THAT(lines, Contains(HasSubstr("bytes of message)")));
    EXPECT_THAT(lines, Contains("* end of the attempt"));
    EXPECT_THAT(lines, Not(Contains(HasSubstr("private"))));
    EXPECT_THAT(lines, Not(Contains(HasSubstr("eve"))));
    EXPECT_THAT(texts(world, "w", "them.example"), Not(Contains(HasSubstr("RCPT"))))
        << "lines are fetched once";
}

TEST(Tracing, follows_an_address_over_a_kept_connection) {
    World world;
    world.serve("them.example");
    EXPECT_THAT(texts(world, "w", "Bob@Them.Example"), IsEmpty());
    world.send({.to = {"alice@them.example"}});
    world.run_for(100ms);
    EXPECT_THAT(texts(world, "w", "Bob@Them.Example"), IsEmpty());
    world.send({.to = {"bob@them.example"}});
    world.run_for(100ms);
    const auto lines = texts(world, "w", "Bob@Them.Example");
    EXPECT_THAT(lines, Contains(HasSubstr("> RCPT TO:<bob@them.example>")));
    EXPECT_THAT(lines, Not(Contains(HasSubstr("EHLO")))) << "that was said before";
    world.send({.to = {"alice@them.example"}});
    world.run_for(100ms);
    EXPECT_THAT(texts(world, "w", "Bob@Them.Example"), Not(Contains(HasSubstr("alice"))));
}

TEST(Tracing, shows_the_mail_of_a_sender) {
    World world;
    world.serve("them.example");
    EXPECT_THAT(texts(world, "w", "ann@office.example"), IsEmpty());
    world.send({.from = "ann@office.example"});
    world.run_for(1s);
    EXPECT_THAT(texts(world, "w", "ann@office.example"),
                Contains(HasSubstr("> MAIL FROM:<ann@office.example>")));
}

TEST(Tracing, shows_what_cannot_be_connected) {
    World world;
    world.serve("them.example").is_refusing = true;
    EXPECT_THAT(texts(world, "w", "them.example"), IsEmpty());
    world.send();
    world.run_for(1s);
    const auto fetched = world.desk().trace("w", "them.example");
    ASSERT_TRUE(fetched);
    ASSERT_FALSE(fetched->lines.empty());
    EXPECT_EQ(fetched->lines.back().kind, TraceLine::Kind::end);
    EXPECT_THAT(fetched->lines.back().text, HasSubstr("cannot connect"));
    EXPECT_EQ(fetched->lines.back().remote, "mx.them.example [192.0.2.1]:25");
}

TEST(Tracing, forgets_who_does_not_come_back) {
    Tracing tracing;
    const Instant start = from_unix_ms(1'790'000'000'000);
    ASSERT_TRUE(tracing.fetch("w", "them.example", start));
    EXPECT_TRUE(tracing.is_watched());
    queue::Message message;
    EXPECT_THAT(tracing.match(message, {}, start + limits::trace_silence_max), IsEmpty());
    EXPECT_TRUE(tracing.is_watched());
    EXPECT_THAT(tracing.match(message, {}, start + limits::trace_silence_max + 1ms), IsEmpty());
    EXPECT_FALSE(tracing.is_watched());
}

TEST(Tracing, ends_when_it_is_told_to) {
    Tracing tracing;
    ASSERT_TRUE(tracing.fetch("w", "them.example", Instant{}));
    tracing.end("another");
    EXPECT_TRUE(tracing.is_watched());
    tracing.end("w");
    EXPECT_FALSE(tracing.is_watched());
}

TEST(Tracing, has_a_limit_on_watchers_and_one_on_lines) {
    Tracing tracing;
    for (std::size_t i = 0; i < limits::trace_watchers_max; ++i)
        ASSERT_TRUE(tracing.fetch("w" + std::to_string(i), "them.example", Instant{}));
    EXPECT_FALSE(tracing.fetch("one more", "them.example", Instant{}));
    EXPECT_TRUE(tracing.fetch("w0", "them.example", Instant{})) << "an old one may go on";

    queue::Message message;
    message.envelope.recipients.push_back({"bob@them.example", "them.example", {}, {}});
    const std::uint32_t first[] = {0};
    TraceTap tap(1, "mx [192.0.2.1]:25");
    tap.set_watchers(tracing.match(message, first, Instant{}));
    for (int i = 0; i < 20'000; ++i) tap.received(Instant{}, "250 line\r\n");
    tap.received(Instant{}, "250 the last\r\n");
    const auto fetched = tracing.fetch("w0", "them.example", Instant{});
    ASSERT_TRUE(fetched);
    EXPECT_GT(fetched->dropped, 0u);
    EXPECT_EQ(fetched->dropped + fetched->lines.size(), 20'001u);
    EXPECT_EQ(fetched->lines.back().text, "250 the last");
    EXPECT_LE(fetched->lines.size() * sizeof(TraceLine), limits::trace_bytes_max);
}

TEST(Tracing, its_limit_is_one_of_bytes_and_who_fetches_makes_room) {
    Tracing tracing;
    ASSERT_TRUE(tracing.fetch("w", "them.example", Instant{}));
    queue::Message message;
    message.envelope.recipients.push_back({"bob@them.example", "them.example", {}, {}});
    const std::uint32_t first[] = {0};
    TraceTap tap(1, "mx [192.0.2.1]:25");
    tap.set_watchers(tracing.match(message, first, Instant{}));
    const std::string words(1000, 'x');
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 2000; ++i) tap.note(Instant{}, words);
        const auto fetched = tracing.fetch("w", "them.example", Instant{});
        ASSERT_TRUE(fetched);
        EXPECT_LE(fetched->lines.size() * words.size(), limits::trace_bytes_max) << round;
        EXPECT_GT(fetched->lines.size(), 800u) << round;
        EXPECT_EQ(fetched->dropped + fetched->lines.size(), 2000u) << round;
    }
}

}  // namespace
}  // namespace mta::outbound
