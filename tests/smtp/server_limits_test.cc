// Each limit of the server side at its edge: the last that passes, the first that does not.
#include <algorithm>

#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "tests/smtp/server_world.h"

namespace mta::smtp {
namespace {

using namespace std::chrono_literals;
using test::ServerWorld;
using EndReason = server_event::EndReason;

const std::string mail = "MAIL FROM:<a@them.example>\r\n";
const std::string rcpt = "RCPT TO:<b@us.example>\r\n";

std::string many(std::size_t count, std::string_view text) {
    std::string out;
    out.reserve(count * text.size());
    while (count-- > 0) out += text;
    return out;
}

// What a message with this text is answered, sent whole, in odd pieces, and by BDAT.
std::string answer(const ServerOptions& options, const std::string& text) {
    std::string answers;
    for (const std::size_t piece : {text.size() + 3, std::size_t{997}}) {
        ServerWorld world(options);
        world.begin_data();
        const auto bytes = text + ".\r\n";
        std::string said;
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            said += world.send(std::string_view(bytes).substr(at, piece));
            while (world.session.body_bytes() > 0) (void)world.session.take_body(world.now);
        }
        world.pump();
        answers += (said + world.take_said()).substr(0, 9);
        EXPECT_EQ(world.accepted.size() + world.aborted.size(), 1U);
    }
    ServerWorld world(options);
    world.greet();
    auto said = world.send(mail + rcpt);
    said = world.send("BDAT " + std::to_string(text.size()) + " LAST\r\n" + text);
    while (world.session.body_bytes() > 0) (void)world.session.take_body(world.now);
    world.pump();
    said += world.take_said();
    answers += said.substr(0, 9);
    return answers;
}

std::string three_times(std::string_view code) { return many(3, code); }

TEST(ServerLimits, command_line) {
    for (const bool by_bytes : {false, true}) {
        const auto say = [&](std::size_t bytes) {
            ServerWorld world;
            world.greet();
            const auto line = "NOOP " + std::string(bytes - 7, 'x') + "\r\n";
            const auto said = by_bytes ? world.send_by_bytes(line) : world.send(line);
            // What follows is not lost.
            return said.substr(0, 9) + world.send("RSET\r\n").substr(0, 9);
        };
        EXPECT_EQ(say(limits::command_line_bytes_max), "250 2.0.0250 2.0.0");
        EXPECT_EQ(say(limits::command_line_bytes_max + 1), "500 5.5.2250 2.0.0");
        EXPECT_EQ(say(limits::command_line_bytes_max + 2), "500 5.5.2250 2.0.0");
        EXPECT_EQ(say(100'000), "500 5.5.2250 2.0.0");
    }
}

TEST(ServerLimits, message_bytes) {
    auto options = ServerWorld::default_options();
    options.message_bytes_max = 100'000;
    const auto text = many(10'000, "12345678\r\n");
    EXPECT_EQ(answer(options, text), three_times("250 2.0.0"));
    EXPECT_EQ(answer(options, "x" + text), three_times("552 5.3.4"));
    // The dots that are taken off do not count.
    EXPECT_EQ(text.size(), options.message_bytes_max);
}

TEST(ServerLimits, header_fields) {
    const auto options = ServerWorld::default_options();
    EXPECT_EQ(answer(options, many(limits::header_fields_max, "A: b\r\n")),
              three_times("250 2.0.0"));
    EXPECT_EQ(answer(options, many(limits::header_fields_max + 1, "A: b\r\n")),
              three_times("554 5.6.0"));
    EXPECT_EQ(answer(options, "A: b\r\n\r\n" + many(limits::header_fields_max, "A: b\r\n")),
              three_times("250 2.0.0"));
}

TEST(ServerLimits, header_bytes) {
    const auto options = ServerWorld::default_options();
    const auto lines =
        "A: b\r\n" + many(limits::header_bytes_max / 64 - 1, " " + std::string(61, 'x') + "\r\n");
    const auto rest = std::string(limits::header_bytes_max - lines.size() - 2, 'x');
    EXPECT_EQ(answer(options, lines + " " + rest.substr(1) + "\r\n"), three_times("250 2.0.0"));
    EXPECT_EQ(answer(options, lines + " " + rest + "\r\n"), three_times("552 5.3.4"));
    EXPECT_EQ(answer(options, lines + "\r\n" + rest + "x\r\n"), three_times("250 2.0.0"));
}

TEST(ServerLimits, text_line) {
    const auto options = ServerWorld::default_options();
    const auto line = std::string(limits::text_line_bytes_max - 2, 'x');
    EXPECT_EQ(answer(options, "\r\n" + line + "\r\n"), three_times("250 2.0.0"));
    EXPECT_EQ(answer(options, "\r\n" + line + "x\r\n"), three_times("554 5.6.0"));
}

TEST(ServerLimits, an_endless_line_leaves_memory_flat) {
    ServerWorld world;
    world.begin_data();
    world.send("\r\n");
    const std::string piece(65'536, 'x');
    for (int i = 0; i < 160; ++i) {
        world.send(piece);
        EXPECT_LE(world.session.body_bytes(), limits::body_chunk_bytes_max);
        if (world.session.body_bytes() > limits::body_inline_bytes_max) {
            (void)world.session.take_body(world.now);
        }
    }
    EXPECT_EQ(world.send("\r\n.\r\n").substr(0, 9), "554 5.6.0");
}

TEST(ServerLimits, received_hops) {
    const auto options = ServerWorld::default_options();
    const auto hops = [](std::size_t count) {
        return many(count, "rEceived: from x\r\n by y\r\n");
    };
    EXPECT_EQ(answer(options, hops(50) + "\r\n"), three_times("250 2.0.0"));
    EXPECT_EQ(answer(options, hops(51) + "\r\n"), three_times("554 5.4.6"));
    EXPECT_EQ(answer(options, hops(50) + "Subject: x\r\n Received: x\r\nX-Received: "
                                         "x\r\nReceived-SPF: x\r\n\r\nReceived: x\r\n"),
              three_times("250 2.0.0"));
    EXPECT_EQ(answer(options, hops(50) + "Subject: x\r\nReceived : x\r\n\r\n"),
              three_times("554 5.4.6"));
}

std::string rcpt_of(int number) {
    return "RCPT TO:<b" + std::to_string(number) + "@us.example>\r\n";
}

TEST(ServerLimits, recipients) {
    auto options = ServerWorld::default_options();
    options.recipients_max = 100;
    ServerWorld world(options);
    world.greet();
    world.send(mail);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(world.send(rcpt_of(i)), "250 2.1.5 recipient ok\r\n");
    for (int i = 100; i < 130; ++i) EXPECT_EQ(world.send(rcpt_of(i)).substr(0, 9), "452 4.5.3");
    EXPECT_EQ(world.send("DATA\r\n").substr(0, 3), "354");
    world.send(".\r\n");
    ASSERT_EQ(world.accepted.size(), 1U);
    EXPECT_EQ(world.accepted[0].envelope.recipients.size(), 100U);
}

TEST(ServerLimits, errors) {
    ServerWorld world;
    world.greet();
    for (std::uint32_t i = 1; i < limits::session_errors_max; ++i) {
        ASSERT_EQ(world.send("WHAT\r\n").substr(0, 3), "500");
    }
    EXPECT_EQ(world.send("WHAT\r\n").substr(0, 9), "421 4.7.0");
    EXPECT_EQ(world.ended->reason, EndReason::too_many_errors);
}

TEST(ServerLimits, a_message_makes_up_for_errors) {
    ServerWorld world;
    world.greet();
    for (int round = 0; round < 3; ++round) {
        for (std::uint32_t i = 1; i < limits::session_errors_max; ++i) world.send("WHAT\r\n");
        world.send(mail + rcpt + "DATA\r\n");
        world.send(".\r\n");
    }
    EXPECT_FALSE(world.ended);
    EXPECT_EQ(world.accepted.size(), 3U);
}

TEST(ServerLimits, recipients_beyond_what_is_taken_are_reported_once_and_have_an_end) {
    auto options = ServerWorld::default_options();
    options.recipients_max = 1;
    ServerWorld world(options);
    world.greet();
    world.send(mail + rcpt);
    for (std::uint32_t i = 1; i < limits::excess_recipients_max; ++i) {
        ASSERT_EQ(world.send(rcpt_of(0)).substr(0, 9), "452 4.5.3");
    }
    EXPECT_FALSE(world.ended);
    EXPECT_EQ(world.refused.size(), limits::excess_recipients_max - 1) << "counted, each";
    EXPECT_EQ(std::ranges::count(world.refused, false, &server_event::Refused::is_repetition), 1);
    const auto last = world.send(rcpt_of(0));
    EXPECT_EQ(last.substr(0, 9), "452 4.5.3");
    EXPECT_NE(last.find("\r\n421 4.7.0 "), last.npos) << last;
    EXPECT_EQ(world.ended->reason, EndReason::too_many_errors);
}

TEST(ServerLimits, mail_that_is_deferred_again_and_again) {
    ServerWorld world;
    world.greet();
    const ServerReply full{452, {4, 3, 1}, "no room"};
    for (int round = 0; round < 3; ++round) {
        world.no_mail = full;
        for (std::uint32_t i = 1; i < limits::session_deferrals_max; ++i) {
            ASSERT_EQ(world.send(mail).substr(0, 9), "452 4.3.1");
        }
        world.no_mail.reset();
        world.send(mail + rcpt + "DATA\r\n");
        world.send(".\r\n");
    }
    EXPECT_FALSE(world.ended) << "a message makes up for it";
    world.no_mail = full;
    for (std::uint32_t i = 1; i < limits::session_deferrals_max; ++i) world.send(mail);
    const auto last = world.send(mail);
    EXPECT_NE(last.find("\r\n421 4.3.2 "), last.npos) << last;
    EXPECT_EQ(world.ended->reason, EndReason::too_many_errors);
}

TEST(ServerLimits, idle_commands) {
    ServerWorld world;
    world.greet();
    for (std::uint32_t i = 1; i < limits::session_idle_commands_max; ++i) {
        ASSERT_EQ(world.send("NOOP\r\n").substr(0, 3), "250");
    }
    EXPECT_EQ(world.send("RSET\r\n").substr(0, 9), "421 4.7.0");
    EXPECT_EQ(world.ended->reason, EndReason::too_many_errors);
}

// An empty chunk brings a message no further.
TEST(ServerLimits, empty_chunks) {
    ServerWorld world;
    world.greet();
    world.send(mail + rcpt);
    const auto chunks = many(limits::session_idle_commands_max - 1, "BDAT 0\r\n");
    EXPECT_FALSE(world.send(chunks + "BDAT 3\r\na\r\n").empty());
    EXPECT_FALSE(world.ended);
    EXPECT_EQ(world.send("BDAT 0\r\n").substr(0, 9), "421 4.7.0");
    EXPECT_EQ(world.ended->reason, EndReason::too_many_errors);
    EXPECT_EQ(world.aborted.size(), 1U);
}

TEST(ServerLimits, bdat_sizes) {
    const auto say = [](std::string_view size) {
        auto options = ServerWorld::default_options();
        options.message_bytes_max = 1000;
        ServerWorld world(options);
        world.greet();
        world.send(mail + rcpt);
        auto said = world.send("BDAT " + std::string(size) + "\r\n" + std::string(1001, 'x'));
        return said.substr(0, 9) + (world.ended ? " ended" : "");
    };
    EXPECT_EQ(say("1000"), "250 2.0.0");
    EXPECT_EQ(say("1001"), "552 5.3.4");
    EXPECT_EQ(say("18446744073709551614"), "");  // swallows on
    EXPECT_EQ(say("18446744073709551615"), "501 5.5.4 ended");
    EXPECT_EQ(say("18446744073709551616"), "501 5.5.4 ended");
    EXPECT_EQ(say("99999999999999999999999"), "501 5.5.4 ended");
    EXPECT_EQ(say("-1"), "501 5.5.4 ended");
    EXPECT_EQ(say("+1"), "501 5.5.4 ended");
    EXPECT_EQ(say("0x10"), "501 5.5.4 ended");
    EXPECT_EQ(say(""), "501 5.5.4 ended");
    EXPECT_EQ(say("10 LATE"), "501 5.5.4 ended");
}

// ---- Time ----

TEST(ServerLimits, a_command_has_a_deadline_that_bytes_do_not_move) {
    ServerWorld world;
    world.greet();
    const auto due = world.now + world.options.command_timeout;
    EXPECT_EQ(world.session.deadline(), due);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(world.advance(1min), "");
        world.send("N");
        EXPECT_EQ(world.session.deadline(), due);
    }
    EXPECT_EQ(world.advance(1min - 1ms), "");
    EXPECT_EQ(world.advance(1ms).substr(0, 9), "421 4.4.2");
    EXPECT_EQ(world.ended->reason, EndReason::timed_out);
}

TEST(ServerLimits, each_command_has_its_own_time) {
    ServerWorld world;
    world.greet();
    EXPECT_EQ(world.advance(4min), "");
    world.send("RSET\r\n");
    EXPECT_EQ(world.session.deadline(), world.now + world.options.command_timeout);
}

TEST(ServerLimits, data_that_stops_coming) {
    auto options = ServerWorld::default_options();
    options.data_rate_bytes_min = 0;
    ServerWorld world(options);
    world.begin_data();
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(world.advance(4min), "");
        world.send("x");
    }
    EXPECT_EQ(world.advance(5min - 1ms), "");
    EXPECT_EQ(world.advance(1ms).substr(0, 9), "421 4.4.2");
    EXPECT_EQ(world.aborted.size(), 1U);
}

TEST(ServerLimits, least_data_rate) {
    for (const bool by_bdat : {false, true}) {
        for (const std::size_t per_second : {99U, 100U}) {
            ServerWorld world;
            world.greet();
            world.send(mail + rcpt + (by_bdat ? "BDAT 1000000 LAST\r\n" : "DATA\r\n"));
            std::string said;
            for (int second = 0; second < 180; ++second) {
                world.send(std::string(per_second, 'x'));
                said += world.advance(1s);
            }
            EXPECT_EQ(said.substr(0, 9), per_second == 100 ? "" : "421 4.4.2");
        }
    }
}

TEST(ServerLimits, a_fast_minute_does_not_pay_for_a_slow_one) {
    ServerWorld world;
    world.begin_data();
    world.send(std::string(100'000, 'x'));
    EXPECT_EQ(world.advance(1min), "");
    world.send("x");
    EXPECT_EQ(world.advance(1min - 1ms), "");
    EXPECT_EQ(world.advance(1ms).substr(0, 9), "421 4.4.2");
}

TEST(ServerLimits, time_stands_still_while_the_driver_is_busy) {
    ServerWorld world;
    world.begin_data();
    world.send(std::string(300'000, 'x'));
    EXPECT_FALSE(world.session.deadline());
    EXPECT_EQ(world.advance(1h), "");
    (void)world.session.take_body(world.now);
    EXPECT_EQ(world.session.deadline(), world.now + 1min);
    EXPECT_EQ(world.send("\r\n.\r\n").substr(0, 3), "250");
}

// ---- A turn of the event loop ----

constexpr std::size_t turn = limits::session_commands_of_turn_max;

std::size_t replies(ServerWorld& world) {
    return static_cast<std::size_t>(std::ranges::count(world.take_said(), '\n'));
}

TEST(ServerLimits, commands_of_a_turn) {
    ServerWorld world;
    world.goes_on_at_once = false;
    world.greet();
    world.send(mail);
    world.session.on_bytes(world.now, many(turn, rcpt));
    world.pump();
    EXPECT_FALSE(world.session.is_resting()) << "there is no more";
    EXPECT_EQ(replies(world), turn);

    world.session.on_bytes(world.now, many(2 * turn, rcpt) + rcpt.substr(0, 3));
    for (int i = 0; i < 2; ++i) {
        world.pump();
        EXPECT_EQ(replies(world), turn);
        ASSERT_TRUE(world.session.is_resting());
        EXPECT_FALSE(world.session.wants_input());
        EXPECT_FALSE(world.session.deadline());
        EXPECT_FALSE(world.session.idle_since());
        if (i == 0) world.session.on_bytes(world.now, rcpt.substr(3));
        world.pump();
        EXPECT_EQ(replies(world), 0U) << "more input does not wake it";
        world.session.go_on(world.now);
    }
    world.pump();
    EXPECT_EQ(replies(world), 1U);
    EXPECT_FALSE(world.session.is_resting());
    EXPECT_TRUE(world.session.wants_input());
    EXPECT_TRUE(world.session.deadline());
}

TEST(ServerLimits, a_turn_of_its_own_for_what_comes_after_a_message_was_stored) {
    ServerWorld world;
    world.goes_on_at_once = false;
    world.greet();
    const auto message = mail + rcpt + "BDAT 3 LAST\r\nx\r\n";
    world.send(many(turn, message));
    EXPECT_EQ(world.accepted.size(), turn);
}

TEST(ServerLimits, the_end_of_the_input_waits_for_the_turns_before_it) {
    ServerWorld world;
    world.goes_on_at_once = false;
    world.greet();
    world.send(mail + many(turn, rcpt));
    world.session.on_input_end(world.now);
    world.pump();
    EXPECT_FALSE(world.ended);
    world.session.go_on(world.now);
    world.pump();
    EXPECT_EQ(replies(world), 1U);
    ASSERT_TRUE(world.ended);
    EXPECT_EQ(world.ended->reason, EndReason::lost);
    world.session.go_on(world.now);
    EXPECT_FALSE(world.session.is_resting());
}

// Replies leave at the end of a turn, but what is held had come before them.
TEST(ServerLimits, a_turn_makes_early_input_not_late) {
    for (std::size_t before = turn - 3; before <= turn + 3; ++before) {
        ServerWorld world;
        world.greet();
        world.send(many(before, "RSET\r\n") + "NOOP\r\nRSET\r\n");
        ASSERT_TRUE(world.ended) << before;
        EXPECT_EQ(world.ended->reason, EndReason::violation) << before;
    }
}

}  // namespace
}  // namespace mta::smtp
