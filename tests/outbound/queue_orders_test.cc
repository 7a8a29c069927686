// What operators ask and order.
#include <gtest/gtest.h>

#include "mta/outbound/queue_manager.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::Mail;
using world::World;

TEST(QueueOrders, flush_tries_at_once_what_waits_and_probes_what_is_down) {
    World world;
    auto& busy = world.serve("busy.example", "192.0.2.1");
    busy.reply = always("RCPT", "450 later");
    auto& down = world.serve("down.example", "192.0.2.2");
    down.is_refusing = true;
    const auto good = world.serve("them.example").received.size();
    world.resolver.mx["dns.example"] =
        world::FakeResolver::error("SERVFAIL", dns::LookupError::Kind::server_failure);
    for (const auto* domain : {"busy.example", "down.example", "dns.example"})
        world.send({.to = {std::string("a@") + domain}});
    const auto held = world.send({.to = {"held@busy.example"}});
    world.run_for(3h);
    EXPECT_EQ(world.desk().hold(held, {}), 1u);
    busy.reply = nullptr;
    down.is_refusing = false;
    world.serve("dns.example", "192.0.2.3");
    EXPECT_EQ(world.flush(), 3u);
    world.run_for(1s);
    EXPECT_EQ(busy.received.size() - good, 1u) << "held mail stays held";
    EXPECT_EQ(down.received.size(), 1u);
    EXPECT_EQ(world.server("192.0.2.3").received.size(), 1u);
}

TEST(QueueOrders, flush_of_a_domain_touches_no_other) {
    World world;
    auto& one = world.serve("one.example", "192.0.2.1");
    auto& two = world.serve("two.example", "192.0.2.2");
    one.reply = two.reply = always("RCPT", "450 later");
    world.send({.to = {"a@one.example", "b@two.example"}});
    world.run_for(1h);
    one.reply = two.reply = nullptr;
    EXPECT_EQ(world.flush("one.example"), 1u);
    EXPECT_EQ(world.flush("unknown.example"), 0u);
    world.run_for(1s);
    EXPECT_EQ(one.received.size(), 1u);
    EXPECT_EQ(two.received.size(), 0u);
}

TEST(QueueOrders, flush_of_some_recipients_leaves_the_others_waiting) {
    World world;
    auto& one = world.serve("one.example", "192.0.2.1");
    auto& two = world.serve("two.example", "192.0.2.2");
    one.reply = two.reply = always("RCPT", "450 later");
    const auto id = world.send({.to = {"a@one.example", "b@two.example"}});
    world.run_for(1h);
    one.reply = two.reply = nullptr;
    EXPECT_EQ(world.desk().flush(id, std::vector<std::uint32_t>{1}), 1u);
    EXPECT_EQ(world.desk().flush(999, {}), 0u);
    world.run_for(1s);
    EXPECT_EQ(one.received.size(), 0u);
    EXPECT_EQ(two.received.size(), 1u);
    EXPECT_EQ(world.desk().flush(id, {}), 1u);
    world.run_for(1s);
    EXPECT_EQ(one.received.size(), 1u);
}

TEST(QueueOrders, held_mail_waits_for_its_release_over_a_restart_too) {
    World world;
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    const auto id = world.send();
    world.run_for(1min);
    EXPECT_EQ(world.desk().hold(id, {}), 1u);
    EXPECT_EQ(world.desk().hold(id, {}), 0u);
    EXPECT_EQ(world.desk().counters().held, 1u);
    EXPECT_EQ(world.store.kept.at(id).states[0].phase, queue::RecipientPhase::held);
    server.is_refusing = false;
    const auto kept = world.store.kept.at(id);
    world.restart();
    world.manager().load(queue::to_queued({kept.message, kept.states}));
    world.run_for(2h);
    EXPECT_TRUE(server.received.empty());
    EXPECT_EQ(world.desk().find(id)->recipients[0].reason, WaitReason::held);
    EXPECT_EQ(world.desk().release(id, {}), 1u);
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(QueueOrders, cancel_ends_without_a_report_and_bounce_with_one) {
    World world;
    world.serve("them.example").is_refusing = true;
    const auto cancelled = world.send();
    const auto bounced = world.send();
    world.run_for(1min);
    EXPECT_EQ(world.desk().cancel(cancelled, {}), 1u);
    EXPECT_EQ(world.desk().bounce(bounced, "the account was closed", {}), 1u);
    world.run_for(1s);
    EXPECT_FALSE(world.store.kept.contains(cancelled));
    EXPECT_FALSE(world.store.kept.contains(bounced));
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes[0].error.text, "the account was closed");
    EXPECT_EQ(world.desk().cancel(cancelled, {}), 0u);
}

TEST(QueueOrders, an_order_for_some_recipients_leaves_the_others_alone) {
    World world;
    auto& them = world.serve("them.example");
    them.is_refusing = true;
    const auto id = world.send(
        {.to = {"a@them.example", "b@them.example", "c@them.example", "d@them.example"}});
    world.run_for(1min);
    auto& manager = world.manager();
    const auto only = [](std::vector<std::uint32_t> some) {
        return RecipientNumbers(std::move(some));
    };
    const auto numbers = [&] {
        std::vector<std::uint32_t> open;
        const auto view = manager.desk().find(id);
        for (const auto& recipient : view->recipients) open.push_back(recipient.number);
        return open;
    };
    EXPECT_EQ(manager.desk().cancel(id, only({1})), 1u);
    EXPECT_EQ(numbers(), (std::vector<std::uint32_t>{0, 2, 3}));
    EXPECT_EQ(world.store.kept.at(id).states[1].phase, queue::RecipientPhase::cancelled);
    EXPECT_EQ(manager.desk().cancel(id, only({1})), 0u) << "it is gone already";
    EXPECT_EQ(manager.desk().bounce(id, "the account was closed", only({0})), 1u);
    EXPECT_EQ(manager.desk().hold(id, only({2, 3})), 2u);
    EXPECT_EQ(manager.desk().release(id, only({3, 99})), 1u);
    EXPECT_EQ(manager.desk().cancel(id, only({})), 0u) << "nobody was selected";
    world.run_for(1s);
    ASSERT_EQ(world.reports.size(), 1u);
    ASSERT_EQ(world.reports[0].outcomes.size(), 1u);
    EXPECT_EQ(numbers(), (std::vector<std::uint32_t>{2, 3}));
    EXPECT_EQ(manager.desk().counters().held, 1u);
    them.is_refusing = false;
    world.run_for(3h);
    EXPECT_EQ(numbers(), (std::vector<std::uint32_t>{2}));
}

TEST(QueueOrders, what_is_being_delivered_is_left_alone) {
    World world;
    auto& server = world.serve("them.example");
    server.latency = 200ms;
    const auto id = world.send();
    world.run_for(900ms);
    EXPECT_EQ(world.desk().find(id)->recipients[0].state, ViewState::delivering);
    EXPECT_EQ(world.desk().cancel(id, {}), 0u);
    EXPECT_EQ(world.desk().hold(id, {}), 0u);
    world.run_for(5s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(QueueOrders, each_wait_has_its_name) {
    World world;
    world.settings.delivery.connections_per_destination_max = 1;
    world.serve("down.example", "192.0.2.1").is_refusing = true;
    world.serve("busy.example", "192.0.2.2").reply = always("RCPT", "450 4.2.1 later");
    world.serve("hung.example", "192.0.2.3").is_hanging = true;
    world.resolver.mx["dns.example"] =
        world::FakeResolver::error("SERVFAIL", dns::LookupError::Kind::server_failure);
    const auto down = world.send({.to = {"a@down.example"}});
    const auto busy = world.send({.to = {"a@busy.example"}});
    const auto first = world.send({.to = {"a@hung.example"}});
    const auto second = world.send({.to = {"b@hung.example"}});
    const auto dns = world.send({.to = {"a@dns.example"}});
    world.run_for(2s);
    const auto reason = [&](queue::MessageId id) {
        return world.desk().find(id)->recipients.at(0).reason;
    };
    EXPECT_EQ(reason(down), WaitReason::destination_down);
    EXPECT_EQ(reason(busy), WaitReason::next_attempt);
    EXPECT_EQ(reason(first), WaitReason::delivering);
    EXPECT_EQ(reason(second), WaitReason::destination_limit);
    EXPECT_EQ(reason(dns), WaitReason::dns_down);
    const auto recipient = world.desk().find(down)->recipients.at(0);
    EXPECT_EQ(recipient.destination, "mx.down.example");
    EXPECT_EQ(recipient.last_error->text, "cannot connect: connection refused");
    EXPECT_TRUE(recipient.until && *recipient.until > world.agenda.now());
    EXPECT_EQ(world.desk().find(busy)->recipients.at(0).last_error->reply_code, 450);
}

TEST(QueueOrders, describes_a_message_with_what_is_on_disk) {
    World world;
    world.serve("them.example").is_refusing = true;
    const auto id = world.send({.to = {"a@them.example", "b@them.example"}});
    std::optional<MessageView> view;
    world.desk().describe(id, [&](auto described) { view = std::move(*described); });
    bool is_missing = false;
    world.desk().describe(999, [&](auto described) { is_missing = !described.has_value(); });
    world.run_for(1s);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->message->envelope.reverse_path, "ann@office.example");
    EXPECT_EQ(view->sender, "ann@office.example");
    EXPECT_EQ(view->recipients.at(1).address, "b@them.example");
    EXPECT_TRUE(is_missing);
}

}  // namespace
}  // namespace mta::outbound
