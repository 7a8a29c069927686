// The commands against a relay whose answers the test decides about.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/cli/remote/order_command.h"
#include "mta/cli/remote/queue_command.h"
#include "mta/cli/remote/status_command.h"
#include "mta/cli/remote/why_command.h"
#include "tests/cli/admin_socket_test.h"

namespace mta::cli {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

class OperatorCommands : public AdminSocketTest {
protected:
    template <class Command>
    int run(Command command) {
        return command(ApiClient(path_), io_);
    }
    int queue(const QueueOptions& options) {
        return run([&](const auto& api, auto& io) { return run_queue(api, options, io); });
    }
    int order(const OrderOptions& options) {
        return run([&](const auto& api, auto& io) { return run_order(api, options, io); });
    }
};

json message(const std::string& id) {
    return {{"id", id},
            {"sender", "ann@office.example"},
            {"size", 4711},
            {"arrived", "2026-11-18T10:00:00.000Z"},
            {"recipients",
             {{{"address", "bob@them.example"},
               {"state", "queued"},
               {"attempts", 3},
               {"next_attempt", "2026-11-18T12:04:00.000Z"},
               {"last_reply", "450 4.7.1 greylisted"}},
              {{"address", "carl@them.example"},
               {"state", "held"},
               {"attempts", 0},
               {"next_attempt", nullptr},
               {"last_reply", nullptr}}}}};
}
http::Response page(const json& messages, const std::string& next = {}) {
    json body = {{"messages", messages}};
    if (!next.empty()) body["next"] = next;
    return {200, body.dump()};
}

TEST_F(OperatorCommands, queue_shows_a_line_a_recipient) {
    serve({page(json::array({message("00001z")}))});
    EXPECT_EQ(queue({}), exit_fine);
    EXPECT_EQ(
        out_.str(),
        "ID      ARRIVED  SIZE    FROM                TO                 STATE   TRIES  NEXT  "
        " LAST REPLY\n"
        "00001z  2h ago   4.7 kB  ann@office.example  bob@them.example   queued  3      in 4m "
        " 450 4.7.1 greylisted\n"
        "                                             carl@them.example  held    0      -\n"
        "1 message, 2 recipients.\n");
    EXPECT_EQ(err_.str(), "");
}

TEST_F(OperatorCommands, queue_passes_filters_on_and_follows_the_pages) {
    serve({page(json::array({message("000001")}), "0-1"), page(json::array(), "1-0"),
           page(json::array({message("000002")}))});
    EXPECT_EQ(queue({.filter = {.id = "",
                                .sender = "<>",
                                .recipient = "b+c@them.example",
                                .domain = "them.example",
                                .state = "held",
                                .message_id = "<1@us>",
                                .host = "mx",
                                .older = "1h",
                                .younger = "2h",
                                .larger = "1kB",
                                .smaller = "2kB",
                                .reply = "a b"},
                     .limit = 0,
                     .json = true}),
              exit_fine);
    EXPECT_EQ(asked().size(), 3u);
    EXPECT_EQ(asked()[0],
              "GET /v1/queue domain=them.example from=<> host=mx larger=1kB limit=1000 "
              "message_id=<1@us> older=1h reply=a b smaller=2kB state=held to=b+c@them.example "
              "younger=2h");
    EXPECT_THAT(asked()[1], HasSubstr("/v1/queue cursor=0-1 domain=them.example"));
    EXPECT_THAT(asked()[2], HasSubstr("/v1/queue cursor=1-0 domain=them.example"));
    EXPECT_EQ(json::parse(out_.str()), json::array({message("000001"), message("000002")}));
}

TEST_F(OperatorCommands, queue_stops_at_the_limit_and_says_so) {
    auto last = json::parse(page(json::array({message("000002")}), "0-2").body);
    last["total"] = {{"messages", 7}};
    serve({page(json::array({message("000001")}), "0-1"), {200, last.dump()}});
    EXPECT_EQ(queue({.filter = {}, .limit = 2}), exit_fine);
    EXPECT_THAT(asked(), ElementsAre("GET /v1/queue limit=2 sort=age",
                                     "GET /v1/queue cursor=0-1 limit=1 sort=age"));
    EXPECT_THAT(out_.str(), HasSubstr("2 messages, 4 recipients; 7 in all: --limit 0 shows all"));
}

TEST_F(OperatorCommands, queue_sorts_the_whole_queue_itself) {
    auto newer = message("000001");
    newer["arrived"] = "2026-11-18T11:00:00.000Z";
    serve({page(json::array({newer}), "0-1"), page(json::array({message("000002")}))});
    EXPECT_EQ(queue({.filter = {}, .limit = 0, .json = true}), exit_fine);
    EXPECT_THAT(asked(), ElementsAre("GET /v1/queue limit=1000", testing::_));
    EXPECT_EQ(json::parse(out_.str()), json::array({message("000002"), newer}));
}

TEST_F(OperatorCommands, queue_is_sorted_as_asked_for) {
    serve({page(json::array())});
    EXPECT_EQ(queue({.filter = {}, .question = {.sort = "size", .reverse = true}, .limit = 0}),
              exit_fine);
    EXPECT_THAT(asked(), ElementsAre("GET /v1/queue limit=1000 reverse=true sort=size"));
}

const json total = {{"messages", 3},
                    {"recipients", 4},
                    {"bytes", 3 << 20},
                    {"oldest", "2026-11-18T10:00:00.000Z"},
                    {"next_attempt", "2026-11-18T12:04:00.000Z"}};

TEST_F(OperatorCommands, queue_sums_up_in_groups) {
    auto first = total;
    first["name"] = "450 4.7.1 greylisted";
    auto second = total;
    second["name"] = "";
    second["next_attempt"] = nullptr;
    const json answer = {{"by", "reason"},
                         {"groups", {first, second}},
                         {"others", total},
                         {"total", total},
                         {"loading", {{"loaded", 5}, {"of", 9}}}};
    serve({{200, answer.dump()}, {200, answer.dump()}});
    const QueueOptions options = {.filter = {.domain = "them.example"},
                                  .question = {.by = "reason"}};
    EXPECT_EQ(queue(options), exit_fine);
    EXPECT_EQ(asked()[0], "GET /v1/queue by=reason domain=them.example limit=100");
    EXPECT_EQ(out_.str(),
              "MESSAGES  RECIPIENTS  SIZE    OLDEST  NEXT   REASON\n"
              "3         4           3.1 MB  2h ago  in 4m  450 4.7.1 greylisted\n"
              "3         4           3.1 MB  2h ago  -      (no trouble so far)\n"
              "3         4           3.1 MB  2h ago  in 4m  (others)\n"
              "3 messages, 4 recipients in all.\n"
              "The relay has just been started, and not all mail that was queued before is known "
              "yet: 5 of 9 messages.\n");
    out_.str("");
    auto in_json = options;
    in_json.json = true;
    EXPECT_EQ(queue(in_json), exit_fine);
    EXPECT_EQ(json::parse(out_.str()), answer);
}

TEST_F(OperatorCommands, queue_says_only_how_much) {
    serve({{200, json{{"total", total}}.dump()}, {200, R"({"total": {"messages": 0}})"}});
    EXPECT_EQ(queue({.filter = {}, .question = {.count = true}}), exit_fine);
    EXPECT_THAT(asked()[0], HasSubstr("/v1/queue count=true"));
    EXPECT_EQ(out_.str(),
              "3 messages, 4 recipients, 3.1 MB; the oldest came 2h ago, the next attempt is in "
              "4m.\n");
    out_.str("");
    EXPECT_EQ(queue({.filter = {}, .question = {.count = true}}), exit_fine);
    EXPECT_EQ(out_.str(), "The queue is empty.\n");
}

TEST_F(OperatorCommands, queue_says_when_the_relay_does_not_know_it_whole_yet) {
    auto early = json::parse(page(json::array({message("000001")})).body);
    early["loading"] = {{"loaded", 1}, {"of", nullptr}};
    serve({{200, early.dump()}, {200, early.dump()}});
    EXPECT_EQ(queue({}), exit_fine);
    EXPECT_THAT(out_.str(), HasSubstr("is known yet: 1 message."));
    out_.str("");
    EXPECT_EQ(queue({.filter = {}, .limit = 0, .json = true}), exit_fine);
    EXPECT_TRUE(json::parse(out_.str()).is_array());
    EXPECT_THAT(err_.str(), HasSubstr("is known yet"));
}

TEST_F(OperatorCommands, an_empty_queue_is_fine) {
    serve({page(json::array()), page(json::array()), page(json::array())});
    EXPECT_EQ(queue({}), exit_fine);
    EXPECT_EQ(out_.str(), "The queue is empty.\n");
    EXPECT_EQ(queue({.filter = {.id = "000001"}}), exit_fine);
    EXPECT_THAT(out_.str(), HasSubstr("Nothing in the queue matches.\n"));
    out_.str("");
    EXPECT_EQ(queue({.json = true}), exit_fine);
    EXPECT_EQ(json::parse(out_.str()), json::array());
}

TEST_F(OperatorCommands, say_when_the_relay_is_not_running) {
    EXPECT_EQ(queue({}), exit_failed);
    EXPECT_THAT(err_.str(), HasSubstr("the relay is not running (nobody listens on " + path_));
    EXPECT_EQ(out_.str(), "");
    std::ofstream(path_) << "a file, and no socket";
    err_.str("");
    EXPECT_EQ(queue({}), exit_failed);
    EXPECT_THAT(err_.str(), HasSubstr("the relay is not running"));
}

TEST_F(OperatorCommands, say_when_the_socket_is_forbidden) {
    serve({});
    fs::permissions(path_, fs::perms::none);
    const bool is_root = ::geteuid() == 0;  // who may use every socket
    if (is_root) {
        ASSERT_EQ(::seteuid(65534), 0);
    }
    const int status = queue({});
    if (is_root) {
        ASSERT_EQ(::seteuid(0), 0);
    }
    EXPECT_EQ(status, exit_failed);
    EXPECT_THAT(err_.str(), HasSubstr("no permission to use " + path_));
}

TEST_F(OperatorCommands, pass_the_relays_own_words_on) {
    serve({{503, R"({"error": "the relay is too busy"})"},
           {200, "<html>"},
           {500, "oops"},
           {200, R"({"messages": {"a": 17}, "next": {}})"}});
    EXPECT_EQ(queue({}), exit_failed);
    EXPECT_EQ(err_.str(), "posthouse: the relay is too busy\n");
    for (int i = 0; i < 2; ++i) {
        err_.str("");
        EXPECT_EQ(queue({}), exit_failed);
        EXPECT_THAT(err_.str(), HasSubstr("does not speak like a relay"));
    }
    // JSON, but not as promised: nothing to show, and nothing breaks.
    EXPECT_EQ(queue({}), exit_fine);
    EXPECT_THAT(out_.str(), HasSubstr("The queue is empty."));
}

TEST_F(OperatorCommands, why_is_told_in_lines_that_fit) {
    const json answer = {{"what", "a b@c"},
                         {"found", true},
                         {"lines", {"Message 00001z.", "  waits for its next attempt", ""}}};
    serve({{200, answer.dump()}, {200, answer.dump()}});
    io_.columns = 20;
    EXPECT_EQ(run([](const auto& api, auto& io) { return run_why(api, {.what = "a b@c/d"}, io); }),
              exit_fine);
    EXPECT_THAT(asked(), ElementsAre("GET /v1/why/a b@c/d"));
    EXPECT_EQ(out_.str(), "Message 00001z.\n  waits for its next\n  attempt\n\n");
    out_.str("");
    EXPECT_EQ(run([](const auto& api, auto& io) {
                  return run_why(api, {.what = "a", .json = true}, io);
              }),
              exit_fine);
    EXPECT_EQ(json::parse(out_.str()), answer);
}

TEST_F(OperatorCommands, why_of_the_unknown_fails) {
    serve({{200, R"({"found": false, "lines": ["There is no message 00001z in the queue."]})"}});
    EXPECT_EQ(run([](const auto& api, auto& io) { return run_why(api, {.what = "00001z"}, io); }),
              exit_failed);
    EXPECT_EQ(out_.str(), "There is no message 00001z in the queue.\n");
}

const http::Response two = {200, R"({"messages": 2, "recipients": 3})"};
const http::Response one = {200, R"({"messages": 1, "recipients": 1})"};
const http::Response none = {200, R"({"messages": 0, "recipients": 0})"};
const OrderOptions cancel_for_bob = {.action = QueueAction::cancel,
                                     .filter = {.recipient = "bob@them.example"}};

TEST_F(OperatorCommands, flush_says_how_much_is_tried) {
    serve({two, two, none});
    EXPECT_EQ(order({.action = QueueAction::flush}), exit_fine);
    EXPECT_EQ(order({.action = QueueAction::flush, .filter = {.domain = "them.example"}}),
              exit_fine);
    EXPECT_THAT(asked(), ElementsAre(R"(POST /v1/flush {"all":true,"dry_run":true})",
                                     R"(POST /v1/flush {"all":true})",
                                     R"(POST /v1/flush {"domain":"them.example","dry_run":true})"));
    EXPECT_EQ(out_.str(), "3 recipients of 2 messages tried now.\nNothing is waiting there.\n");
}

TEST_F(OperatorCommands, cancel_asks_first_on_a_terminal) {
    io_.is_terminal = true;
    for (const auto& [answer, is_yes] :
         {std::pair{"y\n", true}, {"yes\n", true}, {"n\n", false}, {"\n", false}, {"", false}}) {
        forget_asked();
        out_.str("");
        server_.reset();
        serve({two, two});
        in_.clear();
        in_.str(answer);
        EXPECT_EQ(order(cancel_for_bob), is_yes ? exit_fine : exit_failed) << answer;
        EXPECT_EQ(asked().size(), is_yes ? 2u : 1u) << answer;
        EXPECT_EQ(asked()[0], R"(POST /v1/cancel {"dry_run":true,"to":"bob@them.example"})");
        EXPECT_THAT(out_.str(), HasSubstr("Cancel 3 recipients of 2 messages: mail to "
                                          "bob@them.example?\nThe other recipients"));
        EXPECT_THAT(out_.str(), HasSubstr("nobody is told. [y/N] "));
        EXPECT_THAT(out_.str(), HasSubstr(is_yes ? "3 recipients of 2 messages cancelled.\n"
                                                 : "Nothing was changed.\n"));
        if (is_yes) {
            EXPECT_EQ(asked()[1], R"(POST /v1/cancel {"to":"bob@them.example"})");
        }
    }
}

TEST_F(OperatorCommands, what_cannot_be_undone_wants_a_clear_yes_without_a_terminal) {
    serve({two, one, two, two, one, one});
    EXPECT_EQ(order(cancel_for_bob), exit_usage);
    EXPECT_THAT(err_.str(), HasSubstr("would cancel 3 recipients of 2 messages; say --yes"));
    EXPECT_EQ(order({.action = QueueAction::bounce, .filter = {.id = "00001z"}}), exit_usage);
    EXPECT_EQ(asked().size(), 2u);
    auto sure = cancel_for_bob;
    sure.yes = true;
    EXPECT_EQ(order(sure), exit_fine);
    EXPECT_EQ(out_.str(), "3 recipients of 2 messages cancelled.\n");
    EXPECT_EQ(order({.action = QueueAction::bounce,
                     .filter = {.id = "00001z"},
                     .reason = "He has left.",
                     .yes = true}),
              exit_fine);
    EXPECT_EQ(asked().back(), R"(POST /v1/bounce {"id":"00001z","reason":"He has left."})");
}

TEST_F(OperatorCommands, what_can_be_undone_is_asked_about_if_it_is_more_than_one_message) {
    io_.is_terminal = true;
    for (const auto action : {QueueAction::hold, QueueAction::release, QueueAction::flush}) {
        const OrderOptions options = {.action = action, .filter = {.domain = "them.example"}};
        server_.reset();
        forget_asked();
        serve({one, one, two, two, two});
        in_.clear();
        in_.str("n\ny\n");
        EXPECT_EQ(order(options), exit_fine) << "one message";
        EXPECT_EQ(order(options), exit_failed) << "two, and no";
        EXPECT_EQ(order(options), exit_fine) << "two, and yes";
        EXPECT_EQ(asked().size(), 5u);
    }
    server_.reset();
    forget_asked();
    io_.is_terminal = false;
    serve({two, two});
    EXPECT_EQ(order({.action = QueueAction::hold, .filter = {.domain = "them.example"}}),
              exit_fine);
}

TEST_F(OperatorCommands, a_dry_run_only_says_what_it_would_be) {
    serve({two, two});
    auto dry = cancel_for_bob;
    dry.dry_run = true;
    EXPECT_EQ(order(dry), exit_fine);
    EXPECT_EQ(out_.str(), "3 recipients of 2 messages would be cancelled.\n");
    out_.str("");
    dry.json = true;
    EXPECT_EQ(order(dry), exit_fine);
    EXPECT_EQ(json::parse(out_.str()),
              (json{{"messages", 2}, {"recipients", 3}, {"dry_run", true}}));
    EXPECT_EQ(asked().size(), 2u);
}

TEST_F(OperatorCommands, a_large_order_is_given_part_by_part) {
    const http::Response part = {
        200, R"({"messages": 5, "recipients": 6, "next": "0-7-1795003200000"})"};
    serve({two, part, part, one, two, part, {503, R"({"error": "no disk"})"}});
    auto sure = cancel_for_bob;
    sure.yes = true;
    EXPECT_EQ(order(sure), exit_fine);
    EXPECT_EQ(asked().size(), 4u);
    EXPECT_EQ(asked()[3],
              R"(POST /v1/cancel {"cursor":"0-7-1795003200000","to":"bob@them.example"})");
    EXPECT_EQ(out_.str(), "13 recipients of 11 messages cancelled.\n");
    EXPECT_EQ(order(sure), exit_failed);
    EXPECT_EQ(err_.str(), "posthouse: no disk (until then: 6 recipients of 5 messages)\n");
}

TEST_F(OperatorCommands, what_was_not_touched_is_counted) {
    serve({two, one});
    EXPECT_EQ(order({.action = QueueAction::hold, .filter = {}}), exit_fine);
    EXPECT_THAT(asked(), ElementsAre(R"(POST /v1/hold {"all":true,"dry_run":true})",
                                     R"(POST /v1/hold {"all":true})"));
    EXPECT_EQ(out_.str(),
              "1 recipient of 1 message held.\n"
              "2 recipients left alone: being delivered right now, or done with meanwhile.\n");
}

TEST_F(OperatorCommands, nothing_found_is_a_failure_that_names_what_was_looked_for) {
    serve({none, none});
    EXPECT_EQ(order({.action = QueueAction::release, .filter = {.id = "00001z"}}), exit_failed);
    EXPECT_THAT(err_.str(), HasSubstr("nothing like that in the queue: message 00001z"));
    EXPECT_EQ(order({.action = QueueAction::hold,
                     .filter = {.sender = "<>",
                                .message_id = "<1@us>",
                                .host = "mx",
                                .older = "1h",
                                .larger = "1kB",
                                .reply = "full"}}),
              exit_failed);
    EXPECT_THAT(err_.str(), HasSubstr("Message-ID <1@us> mail from <> at mx older than 1h larger "
                                      "than 1kB answered with \"full\""));
}

json healthy() {
    return {{"version", "0.1.0"},
            {"hostname", "mail.office.example"},
            {"started", "2026-11-18T09:00:00.000Z"},
            {"listeners", {"0.0.0.0:25", "[::]:25"}},
            {"clients", 3},
            {"draining", false},
            {"queue", {{"messages", 5}, {"recipients", 7}, {"held", 1}, {"delivered_total", 120}}},
            {"spool",
             {{"path", "/var/lib/posthouse"},
              {"refusal", nullptr},
              {"free_bytes", 12'000'000'000},
              {"total_bytes", 50'000'000'000}}},
            {"config",
             {{"path", "/etc/posthouse/posthouse.toml"},
              {"loaded", "2026-11-18T10:00:00.000Z"},
              {"reload_problem", nullptr}}},
            {"destinations_in_trouble", json::array()}};
}
int status(const ApiClient& api, CommandIo& io) { return run_status(api, false, io); }

TEST_F(OperatorCommands, status_of_a_healthy_relay) {
    serve({{200, healthy().dump()}});
    EXPECT_EQ(run(status), exit_fine);
    EXPECT_EQ(out_.str(),
              "posthouse 0.1.0 on mail.office.example, started 3h ago\n"
              "listening      0.0.0.0:25, [::]:25; 3 clients\n"
              "queue          5 messages, 7 recipients (1 held); 0 being delivered over 0 "
              "connections\n"
              "since start    120 delivered, 0 deferred, 0 bounced, 0 expired, 0 in doubt\n"
              "spool          /var/lib/posthouse: takes mail; 12 GB of 50 GB free\n"
              "configuration  /etc/posthouse/posthouse.toml, read 2h ago\n"
              "destinations   none in trouble\n");
}

TEST_F(OperatorCommands, status_shouts_when_something_is_wrong) {
    auto refusing = healthy();
    refusing["spool"]["refusal"] = "only 1 GB is free";
    refusing["config"]["reload_problem"] = "line 3: unknown key";
    refusing["destinations_in_trouble"] = {{{"name", "mx.them.example"},
                                            {"waiting", 7},
                                            {"down_since", "2026-11-18T11:00:00.000Z"},
                                            {"next_probe", "2026-11-18T12:01:00.000Z"},
                                            {"last_error", {{"text", "connection refused"}}}}};
    auto draining = healthy();
    draining["draining"] = true;
    serve({{200, refusing.dump()}, {200, draining.dump()}});
    EXPECT_EQ(run(status), exit_failed);
    EXPECT_THAT(out_.str(), HasSubstr("REFUSES NEW MAIL: only 1 GB is free"));
    EXPECT_THAT(out_.str(), HasSubstr("THE LAST RELOAD FAILED, the older settings hold: line 3"));
    EXPECT_THAT(out_.str(), HasSubstr("in trouble     mx.them.example down since 1h ago, next try "
                                      "in 1m, 7 waiting: connection refused"));
    EXPECT_EQ(run(status), exit_failed);
    EXPECT_THAT(out_.str(), HasSubstr("IS STOPPING"));
}

TEST_F(OperatorCommands, status_shows_some_of_the_destinations_in_trouble_and_counts_the_rest) {
    auto troubled = healthy();
    for (int i = 0; i < 100; ++i) {
        troubled["destinations_in_trouble"].push_back(
            {{"name", "mx" + std::to_string(i) + ".example"}, {"waiting", 7}});
    }
    troubled["destinations_in_trouble_count"] = 4711;
    serve({{200, troubled.dump()}});
    EXPECT_EQ(run(status), exit_fine);
    EXPECT_THAT(out_.str(), HasSubstr("in trouble     mx19.example"));
    EXPECT_THAT(out_.str(), Not(HasSubstr("mx20.example")));
    EXPECT_THAT(out_.str(), HasSubstr("in trouble     ... and 4691 more"));
}

TEST_F(OperatorCommands, status_names_damage_until_somebody_has_taken_it_away) {
    auto damaged = healthy();
    damaged["spool"]["quarantine"] = {"0000000000000001-0000000000001090.bytes"};
    damaged["spool"]["loading"] = true;
    auto worse = healthy();
    worse["spool"]["quarantine"] = {"a.bytes", "b.bytes", "c.bytes", "d.bytes"};
    serve({{200, damaged.dump()}, {200, worse.dump()}});
    EXPECT_EQ(run(status), exit_fine) << "mail is taken and delivered";
    EXPECT_THAT(out_.str(),
                HasSubstr("DAMAGE         1 piece of the spool did not match its checksum: "
                          "0000000000000001-0000000000001090.bytes in "
                          "/var/lib/posthouse/quarantine. The rest is delivered."));
    EXPECT_THAT(out_.str(), HasSubstr("what was queued at the start is still being loaded"));
    EXPECT_EQ(run(status), exit_fine);
    EXPECT_THAT(out_.str(), HasSubstr("4 pieces of the spool did not match their checksum: "
                                      "a.bytes, b.bytes, c.bytes, ... in"));
}

}  // namespace
}  // namespace mta::cli
