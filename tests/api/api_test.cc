#include "mta/api/api.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/api/fake_shard.h"

namespace mta::api {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using outbound::ViewState;
using outbound::WaitReason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const Instant now = from_unix_ms(1'795'003'200'000);  // 2026-11-18T12:00:00Z

outbound::RecipientView waiting(const std::string& address, ViewState state = ViewState::queued) {
    outbound::RecipientView view;
    view.address = address;
    view.domain = address.substr(address.rfind('@') + 1);
    view.destination = "mx." + view.domain;
    view.state = state;
    view.attempts = 3;
    view.next_attempt = now + 4min;
    view.until = view.next_attempt;
    view.last_attempt = now - 11min;
    view.last_error = DeliveryError{.status = {4, 7, 1},
                                    .scope = Scope::recipient,
                                    .reply_code = 450,
                                    .text = "4.7.1 greylisted\ncome back \xe4",
                                    .remote = "mx1.them.example [192.0.2.1]:25"};
    view.expires = now + 4 * 24h;
    return view;
}

class ApiTest : public testing::Test {
protected:
    ApiTest()
        : shards_{std::make_unique<FakeShard>(now), std::make_unique<FakeShard>(now)},
          api_({.shards = {shards_[0]->post(), shards_[1]->post()},
                .get_status = [this] { return status_; },
                .on_order = [this](const OrderDone& order) { orders_done_.push_back(order); }},
               5s) {}

    void add(std::size_t shard, queue::MessageId id, const std::string& sender,
             std::vector<outbound::RecipientView> recipients) {
        for (std::uint32_t i = 0; i < recipients.size(); ++i) recipients[i].number = i;
        auto message = std::make_shared<queue::Message>();
        message->id = id;
        message->envelope.reverse_path = sender;
        message->message_id = '<' + std::to_string(id) + "@office.example>";
        shards_[shard]->desk.messages[id] = {.id = id,
                                             .arrived = now - 2h,
                                             .size_bytes = 4711,
                                             .sender = sender,
                                             .message = message,
                                             .recipients = std::move(recipients)};
    }
    json ask(std::uint32_t status, const std::string& path,
             std::map<std::string, std::string> query = {}) {
        return check(status, api_.handle({"GET", path, std::move(query), ""}));
    }
    json order(std::uint32_t status, const std::string& path, const json& body) {
        return check(status, api_.handle({"POST", path, {}, body.dump()}));
    }
    static json check(std::uint32_t status, const http::Response& response) {
        EXPECT_EQ(response.status, status) << response.body;
        auto answer = json::parse(response.body, nullptr, false);
        EXPECT_FALSE(answer.is_discarded()) << response.body;
        EXPECT_EQ(answer.contains("error"), status != 200) << response.body;
        return answer;
    }
    std::vector<std::string> ids(std::map<std::string, std::string> query) {
        std::vector<std::string> found;
        for (int page = 0; page < 100; ++page) {
            const auto answer = ask(200, "/v1/queue", query);
            for (const auto& message : answer["messages"]) found.push_back(message["id"]);
            if (!answer.contains("next")) return found;
            query["cursor"] = answer["next"];
        }
        ADD_FAILURE() << "the pages have no end";
        return found;
    }

    std::array<std::unique_ptr<FakeShard>, 2> shards_;
    RelayStatus status_;
    std::vector<OrderDone> orders_done_;
    Api api_;
};

TEST_F(ApiTest, the_queue_has_the_promised_form) {
    add(0, 63, "ann@office.example", {waiting("bob@them.example")});
    const auto answer = ask(200, "/v1/queue");
    ASSERT_EQ(answer["messages"].size(), 1u);
    EXPECT_FALSE(answer.contains("next"));
    const auto& message = answer["messages"][0];
    EXPECT_EQ(message["id"], "00001z");
    EXPECT_EQ(message["sender"], "ann@office.example");
    EXPECT_EQ(message["size"], 4711);
    EXPECT_EQ(message["arrived"], "2026-11-18T10:00:00.000Z");
    const auto& recipient = message["recipients"][0];
    EXPECT_EQ(recipient["address"], "bob@them.example");
    EXPECT_EQ(recipient["state"], "queued");
    EXPECT_EQ(recipient["attempts"], 3);
    EXPECT_EQ(recipient["next_attempt"], "2026-11-18T12:04:00.000Z");
    EXPECT_EQ(recipient["last_reply"], "450 4.7.1 greylisted\ncome back \xef\xbf\xbd");
}

TEST_F(ApiTest, filters_are_joined_by_and) {
    add(0, 1, "ann@office.example", {waiting("bob@them.example")});
    add(0, 2, "", {waiting("bob@them.example"), waiting("carl@there.example", ViewState::held)});
    add(1, 3, "ann@office.example", {waiting("Carl@there.example", ViewState::in_doubt)});
    struct Row {
        std::map<std::string, std::string> query;
        std::vector<std::string> ids;
    };
    const Row rows[] = {
        {{}, {"000001", "000002", "000003"}},
        {{{"id", "000002"}}, {"000002"}},
        {{{"id", "000009"}}, {}},
        {{{"from", "ann@office.example"}}, {"000001", "000003"}},
        {{{"from", "<>"}}, {"000002"}},
        {{{"message_id", "<2@office.example>"}}, {"000002"}},
        {{{"message_id", "2@office.example"}}, {"000002"}},
        {{{"older", "1h"}}, {"000001", "000002", "000003"}},
        {{{"older", "3h"}}, {}},
        {{{"younger", "1h"}}, {}},
        {{{"to", "carl@there.example"}}, {"000002", "000003"}},
        {{{"domain", "THERE.example"}}, {"000002", "000003"}},
        {{{"state", "held"}}, {"000002"}},
        {{{"state", "in_doubt"}, {"domain", "there.example"}}, {"000003"}},
        // Both of one recipient, not of two.
        {{{"state", "held"}, {"to", "bob@them.example"}}, {}},
        {{{"from", "ann@office.example"}, {"to", "bob@them.example"}}, {"000001"}},
        {{{"limit", "1"}}, {"000001", "000002", "000003"}},
        {{{"limit", "1"}, {"to", "carl@there.example"}}, {"000002", "000003"}},
        {{{"limit", "1"}, {"sort", "age"}}, {"000001", "000002", "000003"}},
        {{{"limit", "2"}, {"sort", "age"}, {"reverse", "true"}}, {"000003", "000002", "000001"}},
        {{{"limit", "2"}, {"sort", "sender"}}, {"000002", "000001", "000003"}},
    };
    for (const auto& row : rows) EXPECT_EQ(ids(row.query), row.ids) << json(row.query);
}

TEST_F(ApiTest, a_long_queue_comes_in_pages_without_gap_or_repetition) {
    std::vector<std::string> all;
    for (queue::MessageId id = 1; id <= 700; ++id) {
        add(id % 2, id, "ann@office.example", {waiting("bob@them.example")});
    }
    for (const auto& shard : shards_) {
        for (const auto& [id, message] : shard->desk.messages) all.push_back(queue::format_id(id));
    }
    EXPECT_EQ(ids({{"limit", "64"}}), all);
    EXPECT_EQ(ids({}), all);
    const auto answer = ask(200, "/v1/queue", {{"limit", "100000"}});
    EXPECT_EQ(answer["messages"].size(), 700u);
}

TEST_F(ApiTest, a_page_is_bounded_by_recipients_too) {
    const std::size_t sizes[] = {10'000, 10'000, 1};  // two are as many as a page may have
    for (const auto size : sizes) {
        std::vector<outbound::RecipientView> recipients(size, waiting("bob@them.example"));
        recipients[0] = waiting("carl@there.example");
        add(0, shards_[0]->desk.messages.size() + 1, "", std::move(recipients));
    }
    const std::vector<std::string> all = {"000001", "000002", "000003"};
    const std::map<std::string, std::string> questions[] = {
        {{"domain", "there.example"}}, {{"domain", "there.example"}, {"sort", "age"}}};
    for (const auto& question : questions) {
        EXPECT_EQ(ask(200, "/v1/queue", question)["messages"].size(), 2u)
            << "what does not match is in the answer all the same";
        EXPECT_EQ(ids(question), all);
    }
}

TEST_F(ApiTest, nonsense_is_answered_with_a_sentence) {
    const std::pair<const char*, const char*> queries[] = {
        {"state", "sleeping"}, {"id", "!"},      {"domain", "a..b"}, {"limit", "0"},
        {"limit", "many"},     {"cursor", "x"},  {"cursor", "0-"},   {"cursor", "2-0"},
        {"colour", "red"},     {"colour", ""},   {"older", "old"},   {"larger", "much"},
        {"sort", "colour"},    {"by", "colour"}, {"count", "yes"},   {"reverse", "1"},
        {"message_id", "<>"}};
    for (const auto& [name, value] : queries) ask(400, "/v1/queue", {{name, value}});
    ask(400, "/v1/queue", {{"sort", "age"}, {"cursor", "0-4711"}});
    ask(404, "/v2/queue");
    ask(404, "/");
    ask(405, "/v1/flush");
    ask(400, "/v1/why/");
    ask(400, "/v1/why/a..b");
    order(405, "/v1/queue", {});
    order(400, "/v1/cancel", json::object());
    order(400, "/v1/cancel", {{"id", 63}});
    order(400, "/v1/cancel", {{"all", "yes"}});
    order(400, "/v1/cancel", {{"colour", "red"}});
    order(400, "/v1/cancel", json::array());
    order(400, "/v1/cancel", {{"all", true}, {"cursor", "0-0"}});
    order(400, "/v1/cancel", {{"all", true}, {"cursor", "7-0-0"}});
    order(400, "/v1/cancel", {{"all", true}, {"reason", "none"}});
    order(400, "/v1/bounce", {{"all", true}, {"reason", "a\nb"}});
    order(400, "/v1/bounce", {{"all", true}, {"reason", std::string(501, 'x')}});
    order(400, "/v1/hold", {{"older", ""}});
    check(400, api_.handle({"POST", "/v1/cancel", {}, "{"}));
    check(405, api_.handle({"DELETE", "/v1/queue", {}, ""}));
    EXPECT_TRUE(shards_[0]->desk.orders.empty());
}

TEST_F(ApiTest, a_relay_whose_status_cannot_be_had_is_busy_and_perhaps_still_loading) {
    bool is_busy = true;
    const Api api({{shards_[0]->post(), shards_[1]->post()}, [&]() -> std::optional<RelayStatus> {
                       if (is_busy) return std::nullopt;
                       return status_;
                   }});
    for (const auto* const path : {"/v1/status", "/v1/top", "/metrics"})
        check(503, api.handle({"GET", path, {}, ""}));
    const auto busy = check(200, api.handle({"GET", "/v1/queue", {}, ""}));
    EXPECT_TRUE(busy.contains("loading")) << "nobody knows";
    is_busy = false;
    status_.is_loading = true;
    EXPECT_TRUE(check(200, api.handle({"GET", "/v1/queue", {}, ""})).contains("loading"));
    status_.is_loading = false;
    EXPECT_FALSE(check(200, api.handle({"GET", "/v1/queue", {}, ""})).contains("loading"));
}

TEST_F(ApiTest, a_shard_that_does_not_answer_is_a_503) {
    const Api impatient({{shards_[0]->post(), shards_[1]->post()}, [this] { return status_; }},
                        50ms);
    shards_[1]->hang(true);
    for (const auto* const path :
         {"/v1/status", "/v1/queue", "/v1/destinations", "/v1/why/them.example"}) {
        const auto answer = check(503, impatient.handle({"GET", path, {}, ""}));
        EXPECT_THAT(answer["error"], HasSubstr("too busy"));
    }
    check(503, impatient.handle({"POST", "/v1/flush", {}, ""}));
    check(503, impatient.handle({"POST", "/v1/cancel", {}, R"({"all": true})"}));
    shards_[1]->hang(false);
    ask(200, "/v1/status");
}

TEST_F(ApiTest, what_waits_for_a_spool_that_cannot_be_written_says_so) {
    const Api impatient({{shards_[0]->post(), shards_[1]->post()}, [this] { return status_; }},
                        50ms);
    shards_[1]->hang(true);
    status_.spool_refusal = "the disk of the spool is full";
    const auto is_told = [&](const http::Request& request) {
        const auto error = check(503, impatient.handle(request))["error"].get<std::string>();
        return error.find(status_.spool_refusal) != error.npos;
    };
    for (const bool is_stalled : {false, true}) {
        status_.is_spool_stalled = is_stalled;
        EXPECT_EQ(is_told({"GET", "/v1/why/them.example", {}, ""}), is_stalled);
        EXPECT_EQ(is_told({"GET", "/v1/queue", {}, ""}), is_stalled);
        EXPECT_EQ(is_told({"POST", "/v1/flush", {}, ""}), is_stalled);
    }
    shards_[1]->hang(false);
}

TEST_F(ApiTest, a_shard_that_is_gone_drops_the_work) {
    const Api orphan({{[](Ask) {}}, [this] { return status_; }}, 50ms);
    check(503, orphan.handle({"GET", "/v1/status", {}, ""}));
}

TEST_F(ApiTest, status_adds_up_the_shards_and_shows_trouble) {
    shards_[0]->desk.figures.messages = 2;
    shards_[1]->desk.figures.messages = 3;
    shards_[1]->desk.destinations = {
        {.name = "mx.up.example"},
        {.name = "mx.them.example",
         .waiting = 7,
         .down_since = now - 2h,
         .next_probe = now + 1min,
         .last_error = DeliveryError{.status = {4, 4, 1}, .text = "connection refused"}}};
    status_ = {.version = "0.1.0",
               .hostname = "mail.office.example",
               .now = now,
               .started = now - 3h,
               .listeners = {"0.0.0.0:25"},
               .spool_path = "/var/lib/posthouse",
               .spool_refusal = "no space",
               .spool_free_bytes = 17};
    const auto answer = ask(200, "/v1/status");
    EXPECT_EQ(answer["queue"]["messages"], 5);
    ASSERT_EQ(answer["destinations_in_trouble"].size(), 1u);
    EXPECT_EQ(answer["destinations_in_trouble"][0]["name"], "mx.them.example");
    EXPECT_EQ(answer["destinations_in_trouble"][0]["last_error"]["text"], "connection refused");
    EXPECT_EQ(answer["spool"]["refusal"], "no space");
    EXPECT_EQ(answer["spool"]["free_bytes"], 17);
    EXPECT_EQ(answer["spool"]["total_bytes"], nullptr);
    EXPECT_EQ(answer["config"]["reload_problem"], nullptr);
    EXPECT_EQ(answer["destinations_in_trouble_count"], 1);
    EXPECT_EQ(ask(200, "/v1/destinations")["destinations"].size(), 2u);
}

TEST_F(ApiTest, of_very_many_destinations_the_first_ones_are_shown_and_all_are_counted) {
    for (std::size_t i = 0; i < 700; ++i) {
        for (auto& shard : shards_) {
            shard->desk.destinations.push_back({.name = "mx" + std::to_string(i) + ".example",
                                                .waiting = 700 - i,
                                                .down_since = now - 1h});
        }
    }
    shards_[1]->desk.destinations[0].down_since = now - 2h;
    const auto status = ask(200, "/v1/status");
    EXPECT_EQ(status["destinations_in_trouble"].size(), 100u);
    EXPECT_EQ(status["destinations_in_trouble_count"], 1400);
    EXPECT_EQ(status["destinations_in_trouble"][0]["down_since"], "2026-11-18T10:00:00.000Z");
    EXPECT_EQ(status["destinations_in_trouble"][99]["waiting"], 651);
    const auto some = ask(200, "/v1/destinations", {{"limit", "5"}});
    EXPECT_EQ(some["destinations"].size(), 5u);
    EXPECT_EQ(some["count"], 1400);
    EXPECT_EQ(ask(200, "/v1/destinations")["destinations"].size(), 1000u);
    ask(400, "/v1/destinations", {{"limit", "0"}});
    ask(400, "/v1/destinations", {{"colour", "red"}});
}

TEST_F(ApiTest, flush_means_everything_or_what_is_selected) {
    add(0, 1, "ann@office.example", {waiting("bob@them.example")});
    add(1, 2, "ann@office.example", {waiting("carl@there.example"), waiting("d@them.example")});
    add(1, 3, "ann@office.example", {waiting("carl@there.example", ViewState::held)});
    EXPECT_EQ(order(200, "/v1/flush", {{"domain", "Them.Example"}}),
              (json{{"messages", 2}, {"recipients", 2}}));
    EXPECT_THAT(shards_[0]->desk.orders, ElementsAre("flush 000001 #0"));
    EXPECT_THAT(shards_[1]->desk.orders, ElementsAre("flush 000002 #1"));
    check(200, api_.handle({"POST", "/v1/flush", {}, ""}));
    EXPECT_THAT(shards_[0]->desk.orders, ElementsAre("flush 000001 #0", "flush 000001 #0"));
    EXPECT_THAT(shards_[1]->desk.orders, ElementsAre("flush 000002 #1", "flush 000002 #0 #1"));
}

TEST_F(ApiTest, orders_reach_the_messages_that_match_and_no_others) {
    add(0, 1, "ann@office.example", {waiting("bob@them.example")});
    add(0, 2, "ann@office.example", {waiting("carl@there.example")});
    add(1, 3, "", {waiting("bob@them.example"), waiting("bill@them.example")});
    add(1, 4, "", {waiting("bill@them.example")});
    const json only_asking = {{"domain", "them.example"}, {"dry_run", true}};
    EXPECT_EQ(order(200, "/v1/cancel", only_asking), (json{{"messages", 3}, {"recipients", 4}}));
    EXPECT_TRUE(shards_[0]->desk.orders.empty());
    EXPECT_TRUE(orders_done_.empty()) << "it was only a question";
    // By hash: what the disk does not confirm is left alone.
    EXPECT_EQ(order(200, "/v1/cancel", {{"to", "bob@them.example"}}),
              (json{{"messages", 2}, {"recipients", 2}}));
    EXPECT_THAT(shards_[0]->desk.orders, ElementsAre("cancel 000001 #0"));
    EXPECT_THAT(shards_[1]->desk.orders, ElementsAre("cancel 000003 #0"));
    EXPECT_GE(shards_[0]->desk.barriers, 1) << "only what is on disk is answered";
    ASSERT_EQ(orders_done_.size(), 1u);
    EXPECT_EQ(orders_done_[0].what, "cancel to=bob@them.example");
    EXPECT_EQ(orders_done_[0].messages, 2u);
    EXPECT_EQ(orders_done_[0].recipients, 2u);
    EXPECT_EQ(order(200, "/v1/hold", {{"id", "000002"}})["messages"], 1);
    EXPECT_EQ(order(200, "/v1/cancel", {{"id", "000009"}})["messages"], 0);
    shards_[0]->desk.durable =
        std::unexpected(queue::StoreError{queue::StoreError::Kind::broken, "input/output error"});
    EXPECT_EQ(order(503, "/v1/cancel", {{"to", "bob@them.example"}})["error"],
              "it was ordered, but it is not certain on disk: input/output error");
}

TEST_F(ApiTest, an_order_that_goes_on_means_what_was_there_when_it_began) {
    add(0, 1, "", {waiting("bob@them.example")});
    const auto touched = [this](Instant began) {
        const auto cursor = "0-0-" + std::to_string(to_unix_ms(began));
        return order(200, "/v1/cancel", {{"all", true}, {"cursor", cursor}})["messages"];
    };
    EXPECT_EQ(touched(now - 3h), 0) << "it came an hour later";
    EXPECT_EQ(touched(now - 1h), 1);
}

TEST_F(ApiTest, an_order_is_about_the_recipients_that_were_selected) {
    auto held = waiting("dora@them.example", ViewState::held);
    add(0, 1, "ann@office.example",
        {waiting("bob@them.example"), waiting("carl@there.example"), held,
         waiting("eve@there.example", ViewState::delivering)});
    struct Row {
        std::map<std::string, std::string> body;
        std::string order;
    };
    const Row rows[] = {
        {{{"to", "CARL@there.example"}}, "cancel 000001 #1"},
        {{{"domain", "them.example"}}, "cancel 000001 #0 #2"},
        {{{"state", "held"}}, "cancel 000001 #2"},
        {{{"state", "queued"}, {"domain", "them.example"}}, "cancel 000001 #0"},
        {{{"id", "000001"}, {"to", "bob@them.example"}}, "cancel 000001 #0"},
        {{{"message_id", "1@office.example"}}, "cancel 000001 #0 #1 #2"},
        {{{"from", "ann@office.example"}}, "cancel 000001 #0 #1 #2"},
        {{{"id", "000001"}}, "cancel 000001 #0 #1 #2"},
    };
    for (const auto& row : rows) {
        const auto recipients = std::ranges::count(row.order, '#');
        if (!row.body.contains("to")) {
            auto asking = json(row.body);
            asking["dry_run"] = true;
            EXPECT_EQ(order(200, "/v1/cancel", asking)["recipients"], recipients) << asking;
        }
        EXPECT_EQ(order(200, "/v1/cancel", row.body)["recipients"], recipients);
        EXPECT_EQ(shards_[0]->desk.orders.back(), row.order);
    }
}

TEST_F(ApiTest, each_order_touches_what_it_can_change) {
    const auto states = {ViewState::queued, ViewState::held, ViewState::in_doubt,
                         ViewState::delivering};
    queue::MessageId id = 0;
    for (const auto state : states) add(0, ++id, "", {waiting("bob@them.example", state)});
    const std::pair<const char*, std::vector<std::string>> rows[] = {
        {"hold", {"hold 000001 #0", "hold 000003 #0"}},
        {"release", {"release 000002 #0"}},
        {"flush", {"flush 000001 #0", "flush 000003 #0"}},
        {"cancel", {"cancel 000001 #0", "cancel 000002 #0", "cancel 000003 #0"}},
    };
    for (const auto& [name, orders] : rows) {
        shards_[0]->desk.orders.clear();
        const auto path = std::string("/v1/") + name;
        const auto count = orders.size();
        EXPECT_EQ(order(200, path, {{"all", true}, {"dry_run", true}})["messages"], count);
        EXPECT_EQ(order(200, path, {{"all", true}})["messages"], count);
        EXPECT_EQ(shards_[0]->desk.orders, orders);
    }
    // What its sender wanted later is let go by a release, and not by a flush.
    auto later = waiting("bob@them.example");
    later.reason = WaitReason::future_release;
    add(1, 9, "", {later});
    EXPECT_EQ(order(200, "/v1/flush", {{"id", "000009"}})["messages"], 0);
    EXPECT_EQ(order(200, "/v1/release", {{"id", "000009"}})["messages"], 1);
    EXPECT_EQ(order(200, "/v1/hold", {{"id", "000009"}})["messages"], 1);
    shards_[0]->desk.orders.clear();
    EXPECT_EQ(order(200, "/v1/bounce", {{"id", "000001"}, {"reason", "He has left."}})["messages"],
              1);
    EXPECT_THAT(shards_[0]->desk.orders, ElementsAre("bounce \"He has left.\" 000001 #0"));
}

TEST_F(ApiTest, a_large_order_goes_in_steps_and_is_answered_in_parts) {
    for (queue::MessageId id = 1; id <= 5150; ++id) add(0, id, "", {waiting("bob@them.example")});
    // What comes in after the beginning is not meant.
    add(0, 9999, "", {waiting("bob@them.example")});
    shards_[0]->desk.messages[9999].arrived = now;
    json body = {{"all", true}};
    const auto first = order(200, "/v1/bounce", body);
    EXPECT_EQ(first["messages"], 5000);
    body["cursor"] = first["next"];
    const auto rest = order(200, "/v1/bounce", body);
    EXPECT_EQ(rest["messages"], 150);
    EXPECT_FALSE(rest.contains("next"));
    EXPECT_GE(shards_[0]->desk.barriers, 50) << "what waits for the disk stays little";
    auto& orders = shards_[0]->desk.orders;
    EXPECT_EQ(orders.size(), 5150u);
    EXPECT_EQ(std::set(orders.begin(), orders.end()).size(), 5150u);
}

TEST_F(ApiTest, an_order_that_takes_long_is_answered_in_parts) {
    for (queue::MessageId id = 1; id <= 9; ++id) add(0, id, "", {waiting("bob@them.example")});
    shards_[0]->desk.scan_max = 1;
    shards_[0]->desk.turn_time = 1s;
    json body = {{"all", true}};
    std::uint64_t messages = 0;
    int parts = 0;
    for (bool has_more = true; has_more && parts < 9; ++parts) {
        const auto answer = order(200, "/v1/cancel", body);
        messages += answer["messages"].get<std::uint64_t>();
        EXPECT_LT(answer["messages"], 6);
        has_more = answer.contains("next");
        if (has_more) body["cursor"] = answer["next"];
    }
    EXPECT_GT(parts, 1);
    EXPECT_EQ(messages, 9u);
    auto& orders = shards_[0]->desk.orders;
    EXPECT_EQ(std::set(orders.begin(), orders.end()).size(), 9u);
}

TEST_F(ApiTest, why_tells_the_story_of_a_message) {
    add(1, 63, "ann@office.example", {waiting("bob@them.example")});
    const auto answer = ask(200, "/v1/why/00001z");
    EXPECT_EQ(answer["found"], true);
    EXPECT_EQ(answer["lines"],
              (json{"Message 00001z from ann@office.example, 4.7 kB, arrived 2h ago (10:00:00 "
                    "UTC). It is safe on disk and waits for 1 recipient.",
                    "bob@them.example: waits for its next attempt, in 4m (12:04:00 UTC).",
                    "  Answered 3 times, last tried 11m ago (11:49:00 UTC). The last answer: "
                    "mx1.them.example [192.0.2.1]:25 said \"450 4.7.1 greylisted / come back "
                    "\xef\xbf\xbd\".",
                    "  If it stays like this, it is given up in 4d (2026-11-22 12:00:00 UTC), and "
                    "the sender gets a report.",
                    "  This is greylisting: the server wants unknown senders to come again "
                    "after some minutes, and then takes their mail. There is nothing to be "
                    "done."}));
    EXPECT_EQ(answer["messages"][0]["id"], "00001z");
}

TEST_F(ApiTest, sums_up_in_groups_and_counts) {
    add(0, 1, "ann@office.example", {waiting("bob@them.example"), waiting("eve@them.example")});
    add(0, 2, "ann@office.example", {waiting("carl@there.example")});
    add(1, 3, "", {waiting("bob@them.example"), waiting("carl@there.example", ViewState::held)});
    const auto count = ask(200, "/v1/queue", {{"count", "true"}})["total"];
    EXPECT_EQ(count["messages"], 3);
    EXPECT_EQ(count["recipients"], 5);
    EXPECT_EQ(count["oldest"], "2026-11-18T10:00:00.000Z");
    EXPECT_EQ(count["next_attempt"], "2026-11-18T12:04:00.000Z");
    EXPECT_EQ(ask(200, "/v1/queue", {{"count", "true"}, {"state", "held"}})["total"]["recipients"],
              1);
    const auto domains = ask(200, "/v1/queue", {{"by", "domain"}});
    ASSERT_EQ(domains["groups"].size(), 2u);
    EXPECT_EQ(domains["groups"][0]["name"], "them.example");
    EXPECT_EQ(domains["groups"][0]["messages"], 2);
    EXPECT_EQ(domains["groups"][0]["recipients"], 3);
    EXPECT_EQ(domains["total"]["messages"], 3);
    EXPECT_FALSE(domains.contains("others"));
    const auto senders = ask(200, "/v1/queue", {{"by", "sender"}, {"limit", "1"}});
    ASSERT_EQ(senders["groups"].size(), 1u);
    EXPECT_EQ(senders["groups"][0]["name"], "ann@office.example");
    EXPECT_EQ(senders["others"]["messages"], 1);
}

TEST_F(ApiTest, a_sorted_list_says_how_much_there_is) {
    for (queue::MessageId id = 1; id <= 5; ++id) add(id % 2, id, "", {waiting("b@them.example")});
    const auto answer = ask(200, "/v1/queue", {{"sort", "age"}, {"limit", "2"}});
    EXPECT_EQ(answer["messages"].size(), 2u);
    EXPECT_EQ(answer["total"]["messages"], 5);
    EXPECT_TRUE(answer.contains("next"));
}

TEST_F(ApiTest, questions_are_answered_in_steps) {
    for (queue::MessageId id = 1; id <= 9; ++id) add(0, id, "", {waiting("b@them.example")});
    shards_[0]->desk.scan_max = 2;
    EXPECT_EQ(ask(200, "/v1/queue", {{"count", "true"}})["total"]["messages"], 9);
    EXPECT_EQ(ask(200, "/v1/queue", {{"by", "domain"}})["groups"][0]["messages"], 9);
    EXPECT_EQ(ids({}).size(), 9u);
    EXPECT_EQ(order(200, "/v1/hold", {{"all", true}})["messages"], 9);
}

TEST_F(ApiTest, answers_say_while_old_mail_is_not_known_yet) {
    add(0, 1, "", {waiting("bob@them.example")});
    status_.is_loading = true;
    status_.loaded_messages = 7;
    EXPECT_EQ(ask(200, "/v1/queue")["loading"], (json{{"loaded", 7}, {"of", nullptr}}));
    status_.old_messages = 9;
    EXPECT_EQ(ask(200, "/v1/queue", {{"count", "true"}})["loading"],
              (json{{"loaded", 7}, {"of", 9}}));
    const auto why = ask(200, "/v1/why/nobody@them.example");
    EXPECT_EQ(why["loading"]["of"], 9);
    EXPECT_THAT(why["lines"].back(),
                HasSubstr("not all that was queued before is known yet (7 of 9"));
    status_.is_loading = false;
    EXPECT_FALSE(ask(200, "/v1/queue").contains("loading"));
    EXPECT_FALSE(ask(200, "/v1/why/000001").contains("loading"));
}

// Nobody may take for delivered what is not.
TEST_F(ApiTest, why_tells_of_quarantine_where_nothing_is_known) {
    add(0, 1, "ann@office.example", {waiting("bob@them.example")});
    const std::string words = "  Or it was in a part of the spool that is damaged: 2 files are in ";
    status_.spool_path = "/var/lib/posthouse";
    EXPECT_THAT(ask(200, "/v1/why/00000z")["lines"].back(), Not(StartsWith(words)));
    status_.spool_quarantine = {"0000000000000001.log", "0000000000000002-0000000000001090.bytes"};
    for (const auto* what : {"00000z", "nobody@them.example", "<9@office.example>", "no.example"}) {
        EXPECT_EQ(ask(200, std::string("/v1/why/") + what)["lines"].back(),
                  words +
                      "/var/lib/posthouse/quarantine, and mail in there is not delivered "
                      "(posthouse status names the files).");
    }
    EXPECT_THAT(ask(200, "/v1/why/bob@them.example")["lines"].back(), Not(StartsWith(words)));
}

TEST_F(ApiTest, why_finds_an_address_as_sender_and_as_recipient) {
    add(0, 1, "ann@office.example", {waiting("bob@them.example")});
    add(1, 2, "", {waiting("ann@office.example")});
    EXPECT_EQ(ask(200, "/v1/why/ann@office.example")["messages"].size(), 2u);
    EXPECT_EQ(ask(200, "/v1/why/bob@them.example")["messages"].size(), 1u);
}

TEST_F(ApiTest, why_finds_a_message_id_with_and_without_brackets) {
    add(0, 1, "ann@office.example", {waiting("bob@them.example")});
    add(1, 2, "1@office.example", {waiting("bob@them.example")});
    EXPECT_EQ(ask(200, "/v1/why/<1@office.example>")["messages"].size(), 1u);
    EXPECT_EQ(ask(200, "/v1/why/1@office.example")["messages"].size(), 2u) << "both are looked up";
    EXPECT_EQ(ask(200, "/v1/why/<>")["found"], false);
    add(1, 3, "", {waiting("bob@them.example")});
    EXPECT_EQ(ask(200, "/v1/why/<>")["messages"].size(), 1u);
}

TEST_F(ApiTest, why_tells_about_a_domain_with_its_destination) {
    add(0, 1, "ann@office.example", {waiting("bob@them.example")});
    auto& domain = shards_[0]->desk.domains["them.example"];
    domain.domain = "them.example";
    domain.destination = "mx.them.example";
    domain.recipients = 1;
    domain.site = outbound::DestinationView{
        .name = "mx.them.example",
        .down_since = now - 2h,
        .next_probe = now + 1min,
        .last_error = DeliveryError{.status = {4, 4, 1}, .text = "connection refused"}};
    const auto answer = ask(200, "/v1/why/them.example");
    EXPECT_EQ(answer["found"], true);
    const auto lines = answer["lines"].dump();
    EXPECT_THAT(lines, HasSubstr("Its MX records send its mail to mx.them.example."));
    EXPECT_THAT(lines, HasSubstr("mx.them.example has taken no mail since 2h ago"));
    EXPECT_THAT(lines, HasSubstr("It is tried again in 1m"));
    EXPECT_THAT(lines, HasSubstr("connection refused"));
    EXPECT_THAT(lines, HasSubstr("Message 000001 from ann@office.example"));
}

TEST_F(ApiTest, an_address_literal_is_a_domain_too) {
    add(0, 1, "ann@office.example", {waiting("bob@[192.0.2.9]")});
    EXPECT_EQ(ask(200, "/v1/why/[192.0.2.9]")["messages"].size(), 1u);
    EXPECT_EQ(ask(200, "/v1/why/bob@[192.0.2.9]")["messages"].size(), 1u);
    EXPECT_EQ(ids({{"domain", "[192.0.2.9]"}}).size(), 1u);
    ask(400, "/v1/why/.example");
}

TEST_F(ApiTest, why_of_the_unknown_points_at_the_log) {
    for (const auto* const what : {"00001z", "nobody@them.example", "nowhere.example"}) {
        const auto answer = ask(200, std::string("/v1/why/") + what);
        EXPECT_EQ(answer["found"], false);
        EXPECT_THAT(answer["lines"][0], HasSubstr(what));
        EXPECT_THAT(answer["lines"][1], HasSubstr("log"));
    }
    EXPECT_EQ(ask(200, "/v1/why/<x.1@office.example>")["lines"][0],
              "There is no message with the Message-ID <x.1@office.example> in the queue.");
    // Ready for a shell, and literal in the journal's regular expression.
    EXPECT_THAT(ask(200, "/v1/why/o'brien+news@them.example")["lines"][1],
                HasSubstr("-g 'o.brien\\+news@them.example'"));
}

TEST_F(ApiTest, an_envelope_that_cannot_be_read_does_not_hide_the_message) {
    add(0, 63, "ann@office.example", {waiting("bob@them.example")});
    auto& unreadable = shards_[0]->desk.unreadable;
    unreadable = queue::StoreError{.kind = queue::StoreError::Kind::broken, .text = "EIO"};
    EXPECT_THAT(ask(200, "/v1/why/00001z")["lines"][0], HasSubstr("cannot be read from the spool"));
    EXPECT_EQ(ask(200, "/v1/queue")["messages"][0]["recipients"][0]["address"], "@them.example");
    unreadable->kind = queue::StoreError::Kind::not_found;
    EXPECT_EQ(ask(200, "/v1/why/00001z")["found"], false);
    EXPECT_TRUE(ask(200, "/v1/queue")["messages"].empty());
}

TEST_F(ApiTest, why_has_the_history_in_json) {
    auto view = waiting("bob@them.example");
    view.attempts_made = {{.kind = outbound::AttemptView::Kind::earlier,
                           .at = now - 1h,
                           .attempts = 2,
                           .error = *view.last_error},
                          {.kind = outbound::AttemptView::Kind::not_charged,
                           .at = now - 1min,
                           .error = *view.last_error}};
    add(0, 63, "ann@office.example", {view});
    const auto answer = ask(200, "/v1/why/00001z");
    const auto& history = answer["messages"][0]["recipients"][0]["history"];
    ASSERT_EQ(history.size(), 2u);
    EXPECT_EQ(history[0]["kind"], "before_start");
    EXPECT_EQ(history[0]["attempts"], 2);
    EXPECT_EQ(history[1]["kind"], "not_counted");
    EXPECT_EQ(history[1]["at"], "2026-11-18T11:59:00.000Z");
    EXPECT_EQ(history[1]["host"], "mx1.them.example [192.0.2.1]:25");
    EXPECT_FALSE(ask(200, "/v1/queue")["messages"][0]["recipients"][0].contains("history"))
        << "lists stay short";
}

TEST_F(ApiTest, why_tells_who_was_given_up_and_where_the_report_is) {
    shards_[1]->desk.given_up.push_back({.id = 63,
                                         .address = "bob@nowhere.example",
                                         .at = now - 3min,
                                         .error = {.status = {5, 1, 2}, .text = "no such domain"},
                                         .report = 64,
                                         .is_report_queued = true});
    add(1, 64, "", {waiting("ann@office.example")});
    for (const auto* what : {"00001z", "bob@nowhere.example", "nowhere.example"}) {
        const auto answer = ask(200, std::string("/v1/why/") + what);
        EXPECT_EQ(answer["found"], true) << what;
        const auto text = answer["lines"].dump();
        EXPECT_THAT(text, HasSubstr("Message 00001z to bob@nowhere.example was given up 3m ago"));
        EXPECT_THAT(text, HasSubstr("no such domain."));
        EXPECT_THAT(text, HasSubstr("is message 000020, which is still on its way"));
        EXPECT_THAT(text, HasSubstr("Message 000020 (a report"));
        EXPECT_EQ(answer["messages"].size(), 1u) << what;
    }
}

TEST_F(ApiTest, why_does_not_take_other_peoples_endings_for_an_answer) {
    shards_[1]->desk.given_up.push_back({.id = 63, .address = "bob@nowhere.example", .at = now});
    for (const auto* what : {"<4711@office.example>", "<>", "000000"}) {
        const auto answer = ask(200, std::string("/v1/why/") + what);
        EXPECT_EQ(answer["found"], false) << what;
        EXPECT_THAT(answer["lines"].dump(), testing::Not(HasSubstr("bob@nowhere"))) << what;
    }
}

TEST_F(ApiTest, why_of_the_unknown_says_that_the_queue_is_being_loaded) {
    status_.is_loading = true;
    EXPECT_THAT(ask(200, "/v1/why/00001z")["lines"].dump(), HasSubstr("ask again in a moment"));
    status_.is_loading = false;
    EXPECT_THAT(ask(200, "/v1/why/00001z")["lines"].dump(),
                testing::AllOf(HasSubstr("journalctl"), testing::Not(HasSubstr("ask again"))));
}

outbound::DestinationDepth deep(const std::string& name, std::size_t recipients) {
    outbound::DestinationDepth destination;
    destination.view.name = name;
    destination.view.connections = 2;
    destination.depth.recipients = recipients;
    destination.depth.oldest = now - 1h;
    destination.depth.by_trouble[static_cast<std::size_t>(outbound::Trouble::dns)] = recipients;
    return destination;
}

TEST_F(ApiTest, metrics_have_destinations_of_all_shards) {
    shards_[0]->desk.depths.destinations = {deep("mx.them.example", 7)};
    shards_[1]->desk.depths.destinations = {deep("mx.others.example", 9)};
    shards_[0]->desk.depths.others = deep("", 4);
    shards_[0]->desk.depths.others_count = 2;
    shards_[1]->desk.depths.others = deep("", 5);
    shards_[1]->desk.depths.others_count = 3;
    status_.now = now;
    const auto response = api_.handle({"GET", "/metrics", {}, ""});
    EXPECT_EQ(response.status, 200u);
    EXPECT_THAT(response.content_type, HasSubstr("text/plain; version=0.0.4"));
    for (const auto* line :
         {"posthouse_destination_recipients{destination=\"mx.them.example\",trouble=\"dns\"} 7\n",
          "posthouse_destination_recipients{destination=\"mx.others.example\",trouble=\"dns\"} 9\n",
          "posthouse_destination_recipients{destination=\"other\",trouble=\"dns\"} 9\n",
          "posthouse_destination_connections{destination=\"other\"} 4\n",
          "posthouse_destination_oldest_seconds{destination=\"mx.them.example\"} 3600\n",
          "posthouse_destination_circuit{destination=\"mx.them.example\",state=\"closed\"} 1\n",
          "posthouse_other_destinations 5\n"}) {
        EXPECT_THAT(response.body, HasSubstr(line));
    }
    EXPECT_EQ(shards_[0]->desk.sweeps, 3) << "in steps";
}

TEST_F(ApiTest, a_survey_is_not_made_anew_for_each_question) {
    ask(200, "/v1/top");
    ask(200, "/v1/top");
    EXPECT_EQ(api_.handle({"GET", "/metrics", {}, ""}).status, 200u);
    EXPECT_EQ(shards_[0]->desk.sweeps, 3);
}

TEST_F(ApiTest, a_survey_is_kept_for_a_second_and_for_twenty_times_as_long_as_it_took) {
    auto& first = shards_[0]->desk;
    ask(200, "/v1/top");
    first.now += 999ms;
    ask(200, "/v1/top");
    EXPECT_EQ(first.sweeps, 3);
    first.now += 1ms;
    first.sweep_time = 1s;
    ask(200, "/v1/top");
    EXPECT_EQ(first.sweeps, 6);
    first.now += 60s - 1ms;
    ask(200, "/v1/top");
    EXPECT_EQ(first.sweeps, 6);
    first.now += 1ms;
    ask(200, "/v1/top");
    EXPECT_EQ(first.sweeps, 9);
}

TEST_F(ApiTest, top_has_what_a_screen_needs) {
    shards_[0]->desk.depths.destinations = {deep("mx.them.example", 7)};
    shards_[0]->desk.figures.accepted_total = 11;
    shards_[1]->desk.figures.accepted_total = 31;
    const auto answer = ask(200, "/v1/top");
    EXPECT_EQ(answer["queue"]["accepted_total"], 42);
    EXPECT_EQ(answer["destinations"][0]["name"], "mx.them.example");
    EXPECT_EQ(answer["destinations"][0]["troubles"], (json{{"dns", 7}}));
    EXPECT_EQ(answer["destinations"][0]["oldest"], "2026-11-18T11:00:00.000Z");
    EXPECT_TRUE(answer["status"].contains("spool"));
}

TEST_F(ApiTest, monitoring_does_not_wait_for_ever) {
    shards_[1]->hang(true);
    const Api impatient({{shards_[0]->post(), shards_[1]->post()}, [this] { return status_; }},
                        20ms);
    for (const auto* path : {"/metrics", "/v1/top"})
        EXPECT_EQ(impatient.handle({"GET", path, {}, ""}).status, 503u) << path;
}

TEST_F(ApiTest, trace_brings_the_lines_of_all_shards_in_order) {
    shards_[0]->desk.trace_lines = {{.kind = outbound::TraceLine::Kind::sent,
                                     .at = now + 2s,
                                     .connection = 7,
                                     .remote = "mx [192.0.2.1]:25",
                                     .id = 63,
                                     .text = "QUIT"}};
    shards_[1]->desk.trace_lines = {
        {.kind = outbound::TraceLine::Kind::end, .at = now + 1s, .text = "end"}};
    const auto answer = order(200, "/v1/trace", {{"watch", "me"}, {"what", "THEM.example"}});
    ASSERT_EQ(answer["lines"].size(), 2u);
    EXPECT_EQ(answer["lines"][0]["kind"], "end");
    EXPECT_EQ(answer["lines"][1], (json{{"at", "2026-11-18T12:00:02.000Z"},
                                        {"kind", "sent"},
                                        {"connection", "0-7"},
                                        {"host", "mx [192.0.2.1]:25"},
                                        {"id", "00001z"},
                                        {"text", "QUIT"}}));
    EXPECT_EQ(answer["dropped"], 2);
    order(200, "/v1/trace", {{"watch", "me"}, {"end", true}});
    for (const auto& shard : shards_)
        EXPECT_THAT(shard->desk.orders, ElementsAre("trace me them.example", "end me"));
}

TEST_F(ApiTest, a_trace_that_makes_no_sense_is_refused) {
    for (const auto& body : {json{{"what", "them.example"}}, json{{"watch", "me"}},
                             json{{"watch", ""}, {"what", "them.example"}},
                             json{{"watch", std::string(101, 'x')}, {"what", "them.example"}},
                             json{{"watch", "me"}, {"what", "no domain!"}},
                             json{{"watch", "me"}, {"what", 7}}, json::array()}) {
        order(400, "/v1/trace", body);
    }
    ask(405, "/v1/trace");
    shards_[1]->desk.has_too_many_watchers = true;
    EXPECT_THAT(order(429, "/v1/trace", {{"watch", "me"}, {"what", "a@b.example"}})["error"],
                HasSubstr("8 traces"));
}

}  // namespace
}  // namespace mta::api
