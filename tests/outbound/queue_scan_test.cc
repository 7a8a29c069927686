// Questions about many messages, answered from memory.
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/outbound/queue_manager.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using world::World;

// "1: #0 #2" for each message that matches, with its recipients.
std::vector<std::string> found(const QueueManager& manager, const MessageFilter& filter) {
    std::vector<std::string> hits;
    const auto next =
        manager.desk().scan(filter, {.messages_max = 1'000'000}, [&](const MessageHit& hit) {
            auto text = std::to_string(hit.id) + ':';
            for (const auto& recipient : hit.recipients)
                text += " #" + std::to_string(recipient.number);
            hits.push_back(text);
            return true;
        });
    EXPECT_FALSE(next);
    return hits;
}

class QueueScan : public testing::Test {
protected:
    QueueScan() {
        auto& busy = world_.serve("busy.example", "192.0.2.1");
        busy.reply = [](const std::string& command) {
            return command.starts_with("RCPT") ? std::optional("450 4.7.1 Greylisted, come again")
                                               : std::nullopt;
        };
        world_.serve("down.example", "192.0.2.2").is_refusing = true;
        world_.serve("sub.down.example", "192.0.2.3").is_refusing = true;
        send(1, {.from = "ann@office.example", .to = {"bob@busy.example", "eve@busy.example"}});
        world_.run_for(10s);
        send(2, {.from = "", .to = {"bob@down.example"}});
        send(3, {.from = "Carl@Home.example",
                 .to = {"x@sub.down.example", "bob@busy.example", "bob@down.example"},
                 .body = "Subject: large\r\n\r\n" + std::string(20'000, 'x') + "\r\n"});
        world_.run_for(10s);
    }
    void send(queue::MessageId id, const world::Mail& mail) {
        const auto made = std::make_shared<queue::Message>(*world_.message(mail));
        made->message_id = '<' + std::to_string(id) + "@here>";
        ASSERT_EQ(made->id, id);
        world_.store.enqueue(made, [](auto) {});
        world_.manager().accept(made);
    }
    std::vector<std::string> find(const MessageFilter& filter) {
        return found(world_.manager(), filter);
    }

    World world_;
};

TEST_F(QueueScan, tells_of_how_many_recipients_those_that_match_are_some) {
    std::map<queue::MessageId, std::size_t> in_all;
    EXPECT_FALSE(world_.desk().scan({.domain = "busy.example"}, {}, [&](const MessageHit& hit) {
        in_all[hit.id] = hit.recipients_in_all;
        return true;
    }));
    EXPECT_EQ(in_all, (std::map<queue::MessageId, std::size_t>{{1, 2}, {3, 3}}));
}

TEST_F(QueueScan, finds_by_each_part_of_a_filter) {
    const auto now = world_.agenda.now();
    struct Row {
        const char* name;
        MessageFilter filter;
        std::vector<std::string> want;
    };
    const std::vector<std::string> all = {"1: #0 #1", "2: #0", "3: #0 #1 #2"};
    const Row rows[] = {
        {"everything", {}, all},
        {"id", {.id = 2}, {"2: #0"}},
        {"no such id", {.id = 9}, {}},
        {"sender", {.sender = "ANN@office.example"}, {"1: #0 #1"}},
        {"null sender", {.sender = ""}, {"2: #0"}},
        {"sender's domain", {.sender = "@home.EXAMPLE"}, {"3: #0 #1 #2"}},
        {"part of a sender", {.sender = "ann"}, {}},
        {"part of a sender's domain", {.sender = "@ome.example"}, {}},
        {"message-id", {.message_id = "3@here"}, {"3: #0 #1 #2"}},
        {"no such message-id", {.message_id = "4@here"}, {}},
        {"older", {.arrived_before = now - 15s}, {"1: #0 #1"}},
        {"younger", {.arrived_after = now - 15s}, {"2: #0", "3: #0 #1 #2"}},
        {"neither older nor younger than itself",
         {.arrived_before = now - 10s, .arrived_after = now - 10s},
         {}},
        {"not older than itself", {.arrived_before = now - 10s}, {"1: #0 #1"}},
        {"not younger than itself", {.arrived_after = now - 10s}, {}},
        {"larger", {.larger_than = 10'000}, {"3: #0 #1 #2"}},
        {"smaller", {.smaller_than = 10'000}, {"1: #0 #1", "2: #0"}},
        {"not larger than itself", {.larger_than = 1024}, {"3: #0 #1 #2"}},
        {"a little smaller than that", {.smaller_than = 1025}, {"1: #0 #1", "2: #0"}},
        {"not smaller than itself", {.smaller_than = 1024}, {}},
        {"recipient", {.recipient = "BOB@Busy.example"}, {"1: #0", "3: #1"}},
        {"no such recipient", {.recipient = "bo@busy.example"}, {}},
        {"recipient at an unknown domain", {.recipient = "bob@nowhere.example"}, {}},
        {"domain", {.domain = "down.example"}, {"2: #0", "3: #2"}},
        {"subtree", {.domain = ".down.example"}, {"3: #0"}},
        {"unknown domain", {.domain = "nowhere.example"}, {}},
        {"destination", {.host = "mx.Down"}, {"2: #0", "3: #2"}},
        {"part of a destination", {.host = "sub."}, {"3: #0"}},
        {"failing host", {.host = "192.0.2.1"}, {"1: #0 #1", "3: #1"}},
        {"reply", {.reply = "GREYlisted"}, {"1: #0 #1", "3: #1"}},
        {"reply code", {.reply = "450 4.7.1"}, {"1: #0 #1", "3: #1"}},
        {"our words", {.reply = "connection refused"}, {"2: #0", "3: #0 #2"}},
        {"reply that nobody gave", {.reply = "greylisting"}, {}},
        {"queued", {.state = ViewState::queued}, all},
        {"held", {.state = ViewState::held}, {}},
        {"mention of a sender", {.mention = "ann@office.EXAMPLE"}, {"1: #0 #1"}},
        {"mention of a recipient", {.mention = "x@sub.down.example"}, {"3: #0"}},
        {"mention of a message-id", {.mention = "1@here"}, {"1: #0 #1"}},
        {"mention of nobody", {.mention = "x@y.example"}, {}},
        {"two of one recipient",
         {.recipient = "bob@busy.example", .reply = "connection refused"},
         {}},
        {"two of a message", {.sender = "", .domain = "down.example"}, {"2: #0"}},
    };
    for (const auto& row : rows) EXPECT_EQ(find(row.filter), row.want) << row.name;
    EXPECT_TRUE(MessageFilter{}.is_everything());
    for (const auto& row : rows) {
        const bool is_everything = std::string_view(row.name) == "everything";
        EXPECT_EQ(row.filter.is_everything(), is_everything) << row.name;
    }
}

TEST_F(QueueScan, sees_what_orders_have_changed) {
    world_.desk().hold(3, std::vector<std::uint32_t>{1});
    EXPECT_THAT(find({.state = ViewState::held}), ElementsAre("3: #1"));
    world_.desk().cancel(3, std::vector<std::uint32_t>{0});
    EXPECT_THAT(find({.id = 3}), ElementsAre("3: #1 #2"));
    world_.desk().cancel(1, {});
    world_.run_for(1s);
    EXPECT_THAT(find({}), ElementsAre("2: #0", "3: #1 #2"));
}

TEST_F(QueueScan, tells_what_a_list_shows) {
    std::vector<RecipientHit> recipients;
    std::vector<DeliveryError> errors;
    const auto manager_hits = [&](const MessageHit& hit) {
        EXPECT_EQ(hit.sender, "Carl@Home.example");
        EXPECT_EQ(hit.size_bytes, 20u * 1024);
        recipients.assign(hit.recipients.begin(), hit.recipients.end());
        // What it points to is good during the call.
        for (const auto& recipient : hit.recipients) {
            if (recipient.error != nullptr) errors.push_back(*recipient.error);
        }
        return true;
    };
    EXPECT_FALSE(world_.desk().scan({.id = 3}, {}, manager_hits));
    ASSERT_EQ(recipients.size(), 3u);
    ASSERT_EQ(errors.size(), 3u);
    const auto view = world_.desk().find(3);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(recipients[i].domain, view->recipients[i].domain);
        EXPECT_EQ(recipients[i].destination, view->recipients[i].destination);
        EXPECT_EQ(recipients[i].state, view->recipients[i].state);
        EXPECT_EQ(recipients[i].attempts, view->recipients[i].attempts);
        EXPECT_EQ(recipients[i].next_attempt, view->recipients[i].next_attempt);
        EXPECT_EQ(errors[i], view->recipients[i].last_error);
    }
    EXPECT_EQ(view->sender, "Carl@Home.example");
}

TEST_F(QueueScan, goes_in_steps_and_ends_when_it_is_enough) {
    for (queue::MessageId id = 4; id <= 20; ++id) send(id, {});
    std::set<queue::MessageId> seen;
    std::optional<ScanCursor> cursor = 0;
    int steps = 0;
    for (; cursor && steps < 100; ++steps) {
        std::size_t looked = 0;
        cursor = world_.desk().scan({}, {.from = *cursor, .messages_max = 3}, [&](const auto& hit) {
            EXPECT_TRUE(seen.insert(hit.id).second);
            EXPECT_LE(++looked, 3u);
            return true;
        });
    }
    EXPECT_EQ(seen.size(), 20u);
    EXPECT_GE(steps, 7);
    seen.clear();
    cursor = 0;
    for (steps = 0; cursor && steps < 100; ++steps) {
        cursor = world_.desk().scan({.sender = "ann@office.example"}, {.from = *cursor},
                                    [&](const auto& hit) {
                                        EXPECT_TRUE(seen.insert(hit.id).second) << "seen twice";
                                        return false;
                                    });
    }
    EXPECT_EQ(seen.size(), 18u);
}

// What is found out about one domain or failure is remembered for the next recipient that shares
// it; there are more of them here than it can remember.
TEST(QueueScanOfMany, does_not_mix_up_what_recipients_share) {
    World world;
    constexpr queue::MessageId count = 6000;
    for (queue::MessageId id = 1; id <= count; ++id) {
        const auto suffix = id % 3 == 0 ? ".here.example" : ".there.example";
        queue::RecipientState state;
        state.next_due = world.agenda.now() + 1h;
        state.last_error = {.status = {4, 0, 0},
                            .reply_code = 450,
                            .text = std::to_string(id) + (id % 5 == 0 ? " full" : " busy"),
                            .remote = "mx" + std::to_string(id) + (id % 7 == 0 ? ".a" : ".b")};
        world.manager().load(
            {.id = id,
             .arrival = world.agenda.now(),
             .recipients = {{.domain = 'd' + std::to_string(id) + suffix, .state = state}}});
    }
    EXPECT_EQ(found(world.manager(), {.domain = ".here.example"}).size(), count / 3);
    EXPECT_EQ(found(world.manager(), {.reply = "full"}).size(), count / 5);
    EXPECT_EQ(found(world.manager(), {.host = ".a"}).size(), count / 7);
}

TEST_F(QueueScan, the_disk_tells_whether_a_hit_by_hash_is_one) {
    std::optional<MessageView> view;
    world_.desk().describe(3, [&](auto described) { view = std::move(*described); });
    world_.run_for(10ms);
    ASSERT_TRUE(view);
    const auto& bob = view->recipients[1];
    EXPECT_TRUE(is_confirmed_by({.recipient = "Bob@BUSY.example"}, *view, bob));
    EXPECT_FALSE(is_confirmed_by({.recipient = "bob@down.example"}, *view, bob));
    EXPECT_FALSE(is_confirmed_by({.recipient = "bop@busy.example"}, *view, bob));
    EXPECT_TRUE(is_confirmed_by({.message_id = "3@here"}, *view, bob));
    EXPECT_FALSE(is_confirmed_by({.message_id = "2@here"}, *view, bob));
    EXPECT_TRUE(is_confirmed_by({.mention = "3@here"}, *view, bob));
    EXPECT_TRUE(is_confirmed_by({.mention = "carl@home.example"}, *view, bob));
    EXPECT_TRUE(is_confirmed_by({.mention = "bob@busy.example"}, *view, bob));
    EXPECT_FALSE(is_confirmed_by({.mention = "x@sub.down.example"}, *view, bob));
    view->message = nullptr;
    EXPECT_FALSE(is_confirmed_by({.recipient = "bob@busy.example"}, *view, bob));
}

}  // namespace
}  // namespace mta::outbound
