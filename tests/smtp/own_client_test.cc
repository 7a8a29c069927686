// Devices and shell scripts of our own networks write a session in one go and read the replies
// afterwards, if at all.
#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "tests/smtp/server_world.h"

namespace mta::smtp {
namespace {

using namespace std::chrono_literals;
using test::ServerWorld;
using EndReason = server_event::EndReason;

const std::string ehlo = "EHLO client.example\r\n";
const std::string mail = "MAIL FROM:<a@them.example>\r\n";
const std::string rcpt = "RCPT TO:<b@us.example>\r\n";
const std::string refused_rcpt = "RCPT TO:<x@elsewhere.example>\r\n";
const std::string text = "Subject: x\r\n\r\nhello\r\n";
const std::string message = mail + rcpt + "DATA\r\n" + text + ".\r\n";
const std::string refused_message = mail + refused_rcpt + "DATA\r\n" + text + ".\r\n";

ClientInfo own_client() {
    auto client = ServerWorld::stranger();
    client.rights.is_own = true;
    return client;
}

struct OwnWorld : ServerWorld {
    explicit OwnWorld(ServerOptions server_options = default_options())
        : ServerWorld(std::move(server_options), own_client()) {}

    void end_input() {
        session.on_input_end(now);
        pump();
    }
};

// The code of each reply: "220,250".
std::string codes(std::string_view said) {
    std::string out;
    while (!said.empty()) {
        const auto line = said.substr(0, said.find("\r\n"));
        said.remove_prefix(line.size() + 2);
        if (line.size() > 3 && line[3] == '-') continue;
        out += (out.empty() ? "" : ",") + std::string(line.substr(0, 3));
    }
    return out;
}

TEST(OwnClient, may_send_a_whole_session_before_the_greeting) {
    OwnWorld world;
    EXPECT_EQ(world.send(ehlo + message + message + "QUIT\r\n"), "");
    world.end_input();
    EXPECT_FALSE(world.ended);
    EXPECT_EQ(codes(world.connect()), "220,250,250,250,354,250,250,250,354,250,221");
    EXPECT_EQ(world.ended->reason, EndReason::quit);
    ASSERT_EQ(world.accepted.size(), 2U);
    EXPECT_EQ(test::without_trace(world.accepted[1].body), text);
}

TEST(OwnClient, need_not_wait_for_any_reply) {
    for (const auto& hello : {ehlo, std::string("HELO client.example\r\n")}) {
        const auto session = "NOOP\r\n" + hello + "NOOP\r\nVRFY x\r\n" + message + "QUIT\r\n";
        for (std::size_t at = 0; at <= session.size(); ++at) {
            OwnWorld world;
            auto said = world.connect();
            said += world.send(std::string_view(session).substr(0, at));
            said += world.send(std::string_view(session).substr(at));
            EXPECT_EQ(codes(said), "220,250,250,250,252,250,250,354,250,221") << at;
            ASSERT_EQ(world.accepted.size(), 1U) << at;
        }
    }
}

// The store has not said yet whether the message may come; what is behind DATA waits for that.
TEST(OwnClient, has_its_text_taken_only_after_data_was_accepted) {
    OwnWorld world;
    world.greet();
    world.begins_at_once = false;
    EXPECT_EQ(codes(world.send(mail + rcpt + "DATA\r\n" + text)), "250,250");
    world.session.on_bytes(world.now, ".\r\nQUIT\r\n");
    world.begin_held();
    world.pump();
    EXPECT_EQ(codes(world.take_said()), "354,250,221");
    ASSERT_EQ(world.accepted.size(), 1U);
    EXPECT_EQ(test::without_trace(world.accepted[0].body), text);
}

// ---- The text of a message that was refused ----

TEST(OwnClient, has_no_text_obeyed_when_its_data_was_refused) {
    const auto session = mail + refused_rcpt + "DATA\r\n" + mail + rcpt +
                         "DATA\r\n\r\n..\r\nQUIT\r\n.\r\n" + message + "QUIT\r\n";
    for (const bool by_bytes : {false, true}) {
        OwnWorld world;
        world.greet();
        world.takes_output = false;
        if (by_bytes) {
            world.send_by_bytes(session);
        } else {
            world.send(session);
        }
        world.takes_output = true;
        world.pump();
        const auto said = world.take_said();
        EXPECT_EQ(codes(said), "250,550,554,554,250,250,354,250,221") << said;
        ASSERT_EQ(world.accepted.size(), 1U);
        EXPECT_EQ(world.refused.size(), 2U) << "the recipient and DATA";
    }
}

// The reply has left between DATA and the text, but the client did not look at it.
TEST(OwnClient, has_no_text_obeyed_that_comes_after_the_refusal) {
    OwnWorld world;
    world.greet();
    EXPECT_EQ(codes(world.send(mail + refused_rcpt + "DATA\r\n")), "250,550,554");
    EXPECT_EQ(world.send("Subject: x\r\n\r\n" + mail + rcpt + "DATA\r\n"), "");
    EXPECT_EQ(world.send(".\r\n"), "554 5.5.1 no recipient was accepted\r\n");
    EXPECT_EQ(codes(world.send(message)), "250,250,354,250");
}

// What an attacker would put into a text, to have it obeyed.
const std::string smuggled = "MAIL FROM:<evil@them.example>\r\n" + rcpt + "DATA\r\n" + text;

// Whatever the first line of the text is, and wherever the text is cut from its DATA. The client
// did not wait for the reply to EHLO.
TEST(OwnClient, has_no_text_obeyed_however_it_begins) {
    const std::string first_lines[] = {
        "Subject: x\r\n",
        "hello there\r\n",
        "\r\n",
        "From a@b Mon Nov 30\r\n",
        "Help wanted\r\n",
        "Mail from the web form\r\n",
        "..\r\n",
        "DATA of the day\r\n",
        "\tDATA\r\n",
        "RCTP TO:<b@x.example>\r\n",
        std::string(5'000, 'x') + "\r\n",
    };
    for (const auto& first : first_lines) {
        const auto before = ehlo + mail + refused_rcpt + "DATA\r\n";
        const auto behind = first + smuggled + ".\r\n" + message + "QUIT\r\n";
        for (const std::size_t cut : {0U, 1U, 2U, 3U, 6U}) {
            OwnWorld world;
            world.connect();
            auto said = world.send(before);
            said += world.send(std::string_view(behind).substr(0, cut));
            said += world.send(std::string_view(behind).substr(cut));
            EXPECT_EQ(codes(said), "250,250,550,554,554,250,250,354,250,221") << first << cut;
            ASSERT_EQ(world.accepted.size(), 1U) << first << cut;
            EXPECT_EQ(world.accepted[0].envelope.reverse_path, "a@them.example") << first << cut;
        }
    }
}

TEST(OwnClient, has_no_text_obeyed_in_whatever_form_its_data_was_refused) {
    const std::string forms[] = {
        "DATA now\r\n",
        "DATA\t\r\n",
        " data\r\n",
        "Data \r\r\n",
        "DATA " + std::string(5'000, 'x') + "\r\n",
    };
    for (const auto& form : forms) {
        for (const bool by_bytes : {false, true}) {
            OwnWorld world;
            world.connect();
            auto said = world.send(ehlo + mail + rcpt);
            const auto rest = form + "hello there\r\n" + smuggled + ".\r\nQUIT\r\n";
            said += by_bytes ? world.send_by_bytes(rest) : world.send(rest);
            const auto code = form.starts_with("DATA now") ? "501" : "500";
            EXPECT_EQ(codes(said), std::string("250,250,250,") + code + "," + code + ",221")
                << form;
            EXPECT_EQ(world.begun, 0U) << form;
        }
    }
}

TEST(OwnClient, has_no_text_obeyed_when_data_comes_in_place_of_bdat) {
    OwnWorld world;
    world.connect();
    const auto said = world.send(ehlo + mail + rcpt + "BDAT 5\r\nabc\r\nDATA\r\nhello\r\n" +
                                 smuggled + ".\r\n" + message);
    EXPECT_EQ(codes(said), "250,250,250,250,503,503,250,250,354,250");
    EXPECT_EQ(world.aborted.size(), 1U);
    ASSERT_EQ(world.accepted.size(), 1U);
}

// Wherever the turns of the event loop end.
TEST(OwnClient, has_no_text_obeyed_behind_very_many_commands) {
    for (std::uint32_t before = limits::session_commands_of_turn_max - 6;
         before <= limits::session_commands_of_turn_max; ++before) {
        OwnWorld world;
        world.greet();
        std::string session;
        for (std::uint32_t i = 0; i < before; ++i) session += "RSET\r\n";
        session += mail + refused_rcpt + "DATA\r\nhello there\r\n" + smuggled + ".\r\n" + message;
        const auto said = codes(world.send(session));
        EXPECT_TRUE(said.ends_with(",250,550,554,554,250,250,354,250")) << said;
        ASSERT_EQ(world.accepted.size(), 1U) << before;
        EXPECT_EQ(world.accepted[0].envelope.reverse_path, "a@them.example");
    }
}

TEST(OwnClient, may_have_an_empty_text_behind_a_refused_data) {
    OwnWorld world;
    world.greet();
    EXPECT_EQ(codes(world.send(mail + refused_rcpt + "DATA\r\n")), "250,550,554");
    EXPECT_EQ(codes(world.send(".\r\n" + message)), "554,250,250,354,250");
}

TEST(OwnClient, may_go_on_after_a_refused_data_if_it_waits_for_replies) {
    for (const std::string next : {"RSET\r\n", "NOOP\r\n", "HELP\r\n", "RCPT TO:<b@@>\r\n"}) {
        OwnWorld world;
        world.greet();
        EXPECT_EQ(codes(world.send(mail + refused_rcpt + "DATA\r\n")), "250,550,554");
        EXPECT_EQ(world.send(next).substr(0, 1), next.starts_with("RCPT") ? "5" : "2") << next;
        EXPECT_EQ(codes(world.send("Subject: x\r\n")), "500")
            << "no text: there was a command since DATA";
        EXPECT_EQ(codes(world.send("RSET\r\n" + message)), "250,250,250,354,250") << next;
    }
}

// A person may have mistyped a command, and waits for an answer; or it is the text.
TEST(OwnClient, gets_421_where_text_and_commands_look_alike) {
    for (const bool is_early : {false, true}) {
        OwnWorld world;
        if (is_early) {
            world.connect();
            world.send(ehlo + mail + refused_rcpt + "DATA\r\n");
        } else {
            world.greet();
            world.send(mail + refused_rcpt + "DATA\r\n");
        }
        const auto next = is_early ? smuggled : "hello there\r\n" + smuggled;
        EXPECT_EQ(codes(world.send(next)), "421");
        EXPECT_EQ(world.ended->reason, EndReason::violation);
        EXPECT_EQ(world.begun, 0U);
    }
}

TEST(OwnClient, gets_the_refusal_of_the_store_for_data_and_for_its_text) {
    OwnWorld world;
    world.refuse_begin = ServerReply{452, {4, 3, 1}, "no room"};
    world.greet();
    EXPECT_EQ(codes(world.send(message + "QUIT\r\n")), "250,250,452,452,221");
}

TEST(OwnClient, has_a_limit_for_text_that_is_not_wanted) {
    auto options = ServerWorld::default_options();
    options.message_bytes_max = 100'000;
    OwnWorld world(options);
    world.greet();
    world.session.on_bytes(world.now, "DATA\r\n");
    for (int i = 0; i < 10; ++i) {
        EXPECT_FALSE(world.ended);
        world.session.on_bytes(world.now, std::string(9'998, 'x') + "\r\n");
        world.pump();
        EXPECT_EQ(world.session.body_bytes(), 0U);
    }
    EXPECT_EQ(codes(world.take_said()), "503");
    EXPECT_EQ(codes(world.send("x")), "421");
    EXPECT_EQ(world.ended->reason, EndReason::too_many_errors);
}

TEST(OwnClient, has_a_limit_for_messages_that_are_not_wanted) {
    OwnWorld world;
    world.greet();
    std::string session;
    for (std::uint32_t i = 0; i < limits::session_errors_max; ++i) session += refused_message;
    EXPECT_TRUE(codes(world.send(session)).ends_with(",421"));
    EXPECT_EQ(world.ended->reason, EndReason::too_many_errors);
}

TEST(OwnClient, has_the_time_of_a_message_for_text_that_is_not_wanted) {
    OwnWorld world;
    world.greet();
    EXPECT_EQ(codes(world.send("DATA\r\nSubject: x\r\n")), "503");
    EXPECT_EQ(codes(world.advance(1min)), "421");
    EXPECT_EQ(world.ended->reason, EndReason::timed_out);
}

// ---- The end of the input ----

TEST(OwnClient, learns_why_a_message_without_an_end_is_not_taken) {
    struct Case {
        std::string sent;
        std::string_view heard;
    };
    const Case cases[] = {
        {mail + rcpt + "DATA\r\n" + text, "250,250,354,421"},
        {mail + rcpt + "DATA\r\nhello\n.\nQUIT\n", "250,250,354,554"},
        {mail + refused_rcpt + "DATA\r\n" + text, "250,550,554,421"},
        {mail + rcpt + "BDAT 100 LAST\r\n" + text, "250,250,421"},
    };
    for (const auto& [sent, heard] : cases) {
        OwnWorld world;
        world.greet();
        auto said = world.send(sent);
        world.end_input();
        said += world.take_said();
        EXPECT_EQ(codes(said), heard) << said;
        EXPECT_EQ(world.ended->reason, EndReason::lost);
        EXPECT_EQ(world.aborted.size(), world.begun);
        EXPECT_TRUE(world.accepted.empty());
    }
}

// ---- What does not speak SMTP ----

// A browser or a library inside an own network can be made to say such things by strangers.
TEST(OwnClient, is_no_other_protocol_with_smtp_inside) {
    const std::string openings[] = {
        "POST / HTTP/1.1\r\nHost: relay\r\n\r\n",
        "GET / HTTP/1.0\r\n",
        std::string("\x16\x03\x01\x02\x00\x01\x00\r\n", 9),
        std::string(10'000, 'x') + "\r\n",
        "\r\n",
    };
    for (const auto& opening : openings) {
        OwnWorld world;
        world.connect();
        EXPECT_EQ(codes(world.send(opening + ehlo + message)), "500,554") << opening;
        EXPECT_EQ(world.ended->reason, EndReason::violation);
        EXPECT_EQ(world.begun, 0U);
    }
}

TEST(OwnClient, waits_where_the_rules_may_change) {
    for (const auto* command : {"STARTTLS\r\n", "AUTH PLAIN\r\n"}) {
        OwnWorld world;
        world.greet();
        EXPECT_EQ(codes(world.send(command + ehlo)), "502,554") << command;
        EXPECT_TRUE(world.ended);
    }
}

}  // namespace
}  // namespace mta::smtp
