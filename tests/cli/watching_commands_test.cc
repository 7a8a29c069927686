// `top` and `trace` against a relay whose answers the test decides about.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/cli/command_line.h"
#include "mta/cli/remote/top_command.h"
#include "mta/cli/remote/trace_command.h"
#include "tests/cli/admin_socket_test.h"

namespace mta::cli {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class WatchingCommands : public AdminSocketTest {
protected:
    // One answer after the other, then the last for ever.
    void serve(std::vector<http::Response> answers) {
        AdminSocketTest::serve(std::move(answers), true);
    }
    int trace(TraceOptions options) {
        options.what = "them.example";
        options.watch = "me";
        if (!options.wait) {
            options.wait = [this](Millis patience) {
                waited_ += patience;
                return waited_ < 10s;
            };
        }
        return run_trace(ApiClient(path_), options, io_);
    }
    int top(bool is_json) {
        return run_top(ApiClient(path_),
                       {.once = true, .json = is_json, .wait = [](Millis) { return true; }}, io_);
    }

    Millis waited_{};
};

json line(const std::string& kind, const std::string& text) {
    return {{"at", "2026-11-18T12:00:01.234Z"},          {"kind", kind},   {"connection", "0-7"},
            {"host", "mx1.them.example [192.0.2.1]:25"}, {"id", "00001z"}, {"text", text}};
}
http::Response lines(const json& list, int dropped = 0) {
    return {200, json{{"lines", list}, {"dropped", dropped}}.dump()};
}

TEST_F(WatchingCommands, trace_shows_time_connection_host_id_and_line) {
    serve({lines(json::array()),
           lines({line("note", "connected"), line("received", "220 mx ESMTP"),
                  line("sent", "EHLO relay"), line("end", "end of the attempt")}),
           lines(json::array())});
    EXPECT_EQ(trace({.attempts = 1}), exit_fine);
    EXPECT_EQ(out_.str(),
              "12:00:01.234 #0-7 mx1.them.example 00001z * mx1.them.example [192.0.2.1]:25\n"
              "12:00:01.234 #0-7 mx1.them.example 00001z * connected\n"
              "12:00:01.234 #0-7 mx1.them.example 00001z < 220 mx ESMTP\n"
              "12:00:01.234 #0-7 mx1.them.example 00001z > EHLO relay\n"
              "12:00:01.234 #0-7 mx1.them.example 00001z * end of the attempt\n");
    EXPECT_THAT(err_.str(), HasSubstr("mail of or to them.example"));
    EXPECT_EQ(asked().size(), 3u);
    EXPECT_THAT(asked().back(), HasSubstr(R"("end":true)")) << "nobody is left watching";
}

TEST_F(WatchingCommands, trace_ends_after_so_many_attempts) {
    serve({lines({line("end", "one"), line("sent", "QUIT"), line("end", "two"),
                  line("sent", "NOOP"), line("end", "three")})});
    EXPECT_EQ(trace({.attempts = 2}), exit_fine);
    EXPECT_THAT(out_.str(), HasSubstr("two"));
    EXPECT_THAT(out_.str(), Not(HasSubstr("three")));
}

TEST_F(WatchingCommands, trace_ends_with_its_time_or_when_the_user_wants) {
    serve({lines(json::array())});
    EXPECT_EQ(trace({.timeout = 1s}), exit_fine);
    EXPECT_EQ(waited_, 1s);
    waited_ = {};
    EXPECT_EQ(trace({}), exit_fine);
    EXPECT_GE(waited_, 10s);
}

TEST_F(WatchingCommands, trace_says_what_was_too_fast_and_hides_control_characters) {
    serve({lines(json::array({line("received", "250 \x1b[2Jevil")}), 17)});
    EXPECT_EQ(trace({.timeout = 0s}), exit_fine);
    EXPECT_THAT(out_.str(), HasSubstr("17 lines came too fast"));
    EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b")));
}

TEST_F(WatchingCommands, trace_gives_an_object_a_line_to_programs) {
    serve({lines(json::array({line("sent", "QUIT")}))});
    EXPECT_EQ(trace({.timeout = 0s, .json = true}), exit_fine);
    EXPECT_EQ(json::parse(out_.str())["text"], "QUIT");
}

TEST_F(WatchingCommands, trace_says_why_it_cannot) {
    serve({{429, R"({"error": "there are 8 traces already"})"}});
    EXPECT_EQ(trace({}), exit_failed);
    EXPECT_THAT(err_.str(), HasSubstr("8 traces"));
}

json picture(std::uint64_t accepted, const std::string& time) {
    const json made = {{"status",
                        {{"version", "0.1.0"},
                         {"hostname", "relay.example"},
                         {"now", time},
                         {"started", "2026-11-18T10:00:00.000Z"},
                         {"clients", 2},
                         {"draining", false},
                         {"spool",
                          {{"segments", 3},
                           {"live_bytes", 1000},
                           {"written_bytes", 2000},
                           {"free_bytes", 3'000'000},
                           {"refusal", nullptr}}}}},
                       {"queue",
                        {{"accepted_total", accepted},
                         {"delivered_total", accepted / 2},
                         {"deferred_total", 0},
                         {"failed_total", 0},
                         {"messages", 12},
                         {"recipients", 13},
                         {"held", 1},
                         {"delivering", 4},
                         {"connections", 5},
                         {"destinations_down", 1}}},
                       {"destinations",
                        {{{"name", "mx.down.example"},
                          {"recipients", 7},
                          {"oldest", "2026-11-18T10:00:00.000Z"},
                          {"connections", 0},
                          {"delivering", 0},
                          {"down_since", "2026-11-18T11:00:00.000Z"},
                          {"next_probe", "2026-11-18T12:03:00.000Z"},
                          {"last_error", {{"text", "connection refused"}}},
                          {"troubles", {{"none", 7}}}},
                         {{"name", "mx.slow.example"},
                          {"recipients", 5},
                          {"oldest", "2026-11-18T11:55:00.000Z"},
                          {"connections", 2},
                          {"delivering", 1},
                          {"troubles", {{"refused", 3}, {"none", 2}}}}}},
                       {"others", {{"recipients", 1}, {"connections", 0}}},
                       {"others_count", 1}};
    return json::parse(made.dump());  // as it comes over the wire
}

TEST(TopPicture, has_rates_queue_spool_and_destinations) {
    const auto text = top_picture(picture(120, "2026-11-18T12:00:02.000Z"),
                                  picture(100, "2026-11-18T12:00:00.000Z"), 0);
    for (const auto* part :
         {"posthouse 0.1.0 on relay.example, started 2h ago", "10.0/s messages; 2 clients",
          "5.0/s delivered, 0.0/s deferred", "4 under way over 5 connections",
          "12 messages, 13 recipients, 1 held; 1 destinations down", "3 files, 1.0 kB queued",
          "DOWN since 1h ago, next try in 2m: connection refused", "3 refused", "(1 others)"}) {
        EXPECT_THAT(text, HasSubstr(part)) << text;
    }
    EXPECT_LT(text.find("mx.down.example"), text.find("mx.slow.example"));
    EXPECT_THAT(text, HasSubstr("2h")) << "the age of the oldest";
}

TEST(TopPicture, knows_no_rate_at_first_and_fits_the_terminal) {
    const auto text = top_picture(picture(120, "2026-11-18T12:00:02.000Z"), {}, 60);
    EXPECT_THAT(text, HasSubstr("- messages"));
    std::istringstream in(text);
    for (std::string row; std::getline(in, row);) EXPECT_LE(row.size(), 80u) << row;
}

TEST_F(WatchingCommands, top_once_takes_two_looks_for_its_rates) {
    serve({{200, picture(100, "2026-11-18T12:00:00.000Z").dump()},
           {200, picture(101, "2026-11-18T12:00:01.000Z").dump()}});
    EXPECT_EQ(top(false), exit_fine);
    EXPECT_THAT(out_.str(), HasSubstr("1.0/s messages"));
    EXPECT_EQ(asked().size(), 2u);
}

TEST_F(WatchingCommands, top_in_json_is_the_answer_as_it_came) {
    serve({{200, picture(100, "2026-11-18T12:00:00.000Z").dump()}});
    EXPECT_EQ(top(true), exit_fine);
    EXPECT_EQ(json::parse(out_.str())["queue"]["accepted_total"], 100);
}

TEST_F(WatchingCommands, top_without_a_relay_fails_and_says_so) {
    EXPECT_EQ(top(false), exit_failed);
    EXPECT_THAT(err_.str(), HasSubstr("not running"));
}

std::expected<Invocation, EarlyExit> typed(std::vector<const char*> words) {
    words.insert(words.begin(), "posthouse");
    return parse_command_line(words);
}

TEST(WatchingCommandLine, is_understood) {
    const auto trace = typed({"trace", "Them.Example", "--count", "3", "--timeout", "5m"});
    ASSERT_TRUE(trace) << trace.error().text;
    EXPECT_EQ(trace->command, Command::trace);
    EXPECT_EQ(trace->subject, "them.example");
    EXPECT_EQ(trace->count, 3u);
    EXPECT_EQ(trace->timeout, Millis{5min});
    EXPECT_TRUE(typed({"trace", "bob@them.example"}));
    const auto top = typed({"top", "--once"});
    ASSERT_TRUE(top);
    EXPECT_EQ(top->command, Command::top);
    EXPECT_TRUE(top->once);
    for (const auto& words :
         std::vector<std::vector<const char*>>{{"trace"},
                                               {"trace", ""},
                                               {"trace", "them.example", "--timeout", "soon"},
                                               {"trace", "no domain"},
                                               {"top", "them.example"}}) {
        const auto refused = typed(words);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().exit_status, exit_usage);
    }
}

}  // namespace
}  // namespace mta::cli
