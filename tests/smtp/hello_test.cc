#include "mta/smtp/client/hello.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

using namespace std::chrono_literals;

// One reply, and what Hello makes of it: the next command, "done: KEYWORDS" or "failed STATUS", with
// "+ QUIT" if that may be said.
struct Step {
    Reply reply;
    std::string outcome;
};
struct Case {
    const char* name;
    ClientOptions options;
    std::vector<Step> steps;
};

const Reply greeting{220, {"mx.them.example"}};

const Case cases[] = {
    {"ehlo", {}, {{greeting, "EHLO us.example\r\n"}, {{250, {"mx", "SIZE 1000"}}, "done: SIZE"}}},
    {"any_2xx_is_a_greeting", {}, {{{299, {}}, "EHLO us.example\r\n"}, {{299, {}}, "done:"}}},
    {"helo_where_ehlo_is_unknown",
     {},
     {{greeting, "EHLO us.example\r\n"},
      {{502, {}}, "HELO us.example\r\n"},
      {{250, {"mx", "SIZE 1000", "PIPELINING"}}, "done:"}}},
    {"helo_at_once",
     {.ehlo = false},
     {{greeting, "HELO us.example\r\n"}, {{250, {"mx", "PIPELINING"}}, "done:"}}},
    {"what_is_switched_off_is_not_offered",
     {.without = {SmtpKeyword::pipelining}},
     {{greeting, "EHLO us.example\r\n"}, {{250, {"mx", "SIZE", "PIPELINING"}}, "done: SIZE"}}},
    {"greeting_refused", {}, {{{554, {"5.7.1 no"}}, "failed 4.7.1 + QUIT"}}},
    {"greeting_deferred", {}, {{{450, {}}, "failed 4.0.0 + QUIT"}}},
    {"greeting_out_of_place", {}, {{{354, {}}, "failed 4.5.0 + QUIT"}}},
    {"greeting_421", {}, {{{421, {}}, "failed 4.3.2"}}},
    {"ehlo_deferred", {}, {{greeting, "EHLO us.example\r\n"}, {{450, {}}, "failed 4.0.0 + QUIT"}}},
    {"ehlo_421", {}, {{greeting, "EHLO us.example\r\n"}, {{421, {}}, "failed 4.3.2"}}},
    {"helo_refused",
     {},
     {{greeting, "EHLO us.example\r\n"},
      {{500, {}}, "HELO us.example\r\n"},
      {{500, {}}, "failed 4.5.2 + QUIT"}}},
};

std::string outcome_of(const std::optional<Hello::Result>& result, Hello& hello) {
    if (!result) return hello.take_output();
    if (!*result) {
        const auto& failure = result->error();
        EXPECT_EQ(failure.error.scope, Scope::host);
        return "failed " + to_string(failure.error.status) + (failure.may_quit ? " + QUIT" : "");
    }
    std::string text = "done:";
    if ((*result)->size) text += " SIZE";
    if ((*result)->pipelining) text += " PIPELINING";
    return text;
}

TEST(Hello, goes_from_the_greeting_to_what_the_server_offers) {
    for (const auto& test : cases) {
        auto options = test.options;
        options.ehlo_name = "us.example";
        Hello hello(options);
        EXPECT_EQ(hello.take_output(), "") << test.name;
        for (const auto& step : test.steps)
            EXPECT_EQ(outcome_of(hello.on_reply(step.reply), hello), step.outcome) << test.name;
    }
}

TEST(Hello, a_reply_before_the_command_has_left_is_out_of_step) {
    const ClientOptions options{.ehlo_name = "us.example"};
    Hello hello(options);
    EXPECT_FALSE(hello.on_reply(greeting));
    const auto result = hello.on_reply({250, {"mx"}});
    ASSERT_TRUE(result && !*result);
    EXPECT_EQ(result->error().error.status, (EnhancedStatus{4, 5, 0}));
    EXPECT_FALSE(result->error().may_quit);
}

TEST(Hello, of_a_reply_that_broke_off_only_a_refusal_counts) {
    const ClientOptions options{.ehlo_name = "us.example"};
    const Hello hello(options);
    EXPECT_FALSE(hello.on_cut_reply(greeting));
    EXPECT_FALSE(hello.on_cut_reply({354, {}}));
    const std::uint16_t refusals[] = {421, 450, 554};
    for (const auto code : refusals) {
        const auto failure = hello.on_cut_reply({code, {}});
        ASSERT_TRUE(failure) << code;
        EXPECT_EQ(failure->error.reply_code, code);
        EXPECT_FALSE(failure->may_quit) << code;
    }
}

TEST(Hello, has_a_stage_and_a_timeout_for_each_reply) {
    ClientOptions options{.ehlo_name = "us.example"};
    options.timeouts.greeting = 7s;
    options.timeouts.command = 11s;
    Hello hello(options);
    EXPECT_EQ(hello.stage(), Stage::greeting);
    EXPECT_EQ(hello.timeout(), 7s);
    EXPECT_FALSE(hello.on_reply(greeting));
    EXPECT_EQ(hello.stage(), Stage::ehlo);
    EXPECT_EQ(hello.timeout(), 11s);
}

}  // namespace
}  // namespace mta::smtp
