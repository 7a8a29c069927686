// One message to very many: what one recipient's answer costs does not grow with the others.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::World;

// Each in a domain of his own, with a server of its own that says `answer` to RCPT.
world::Mail mail_to_domains(World& world, std::size_t count, const std::string& answer) {
    world::Mail mail;
    mail.to.clear();
    for (std::size_t i = 0; i < count; ++i) {
        const auto domain = "d" + std::to_string(i) + ".example";
        const auto address = "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
        world.serve(domain, address).reply = world::always("RCPT", answer);
        mail.to.push_back("bob@" + domain);
    }
    return mail;
}

// The message as it is found at a start.
void load(World& world, queue::MessageId id) {
    const auto kept = world.store.kept.at(id);
    world.restart();
    world.manager().load(queue::to_queued({kept.message, kept.states}));
}

TEST(ManyRecipients, the_store_is_told_of_those_who_were_answered_only) {
    constexpr std::size_t count = 300;
    World world;
    const auto id = world.send(mail_to_domains(world, count, "450 4.2.1 later"));
    world.run_for(20s);
    ASSERT_EQ(world.count<events::Deferred>(), count);
    EXPECT_LE(world.store.states_written, count);
    for (const auto& state : world.store.kept.at(id).states) {
        EXPECT_EQ(state.attempts, 1);
        EXPECT_EQ(state.last_error.text, "4.2.1 later");
    }
    world.run_for(1h);
    EXPECT_LE(world.store.states_written, world.count<events::Deferred>());
}

TEST(ManyRecipients, of_whom_some_have_failed_are_told_of_with_the_report) {
    constexpr std::size_t count = 100;
    World world;
    auto mail = mail_to_domains(world, count, "450 4.2.1 later");
    for (const auto* address : {"10.0.0.8", "10.0.0.9"})
        world.server(address).reply = world::always("RCPT", "550 5.1.1 nobody");
    const auto id = world.send(mail);
    world.run_for(11min);  // the report waits for others, ten minutes at most
    ASSERT_GE(world.count<events::Deferred>(), count - 2);
    ASSERT_EQ(world.count<events::Failed>("bob@"), 2u);
    const auto& states = world.store.kept.at(id).states;
    for (std::size_t i = 0; i < count; ++i) {
        const bool has_failed = i == 7 || i == 8;
        EXPECT_EQ(states[i].phase,
                  has_failed ? queue::RecipientPhase::failed : queue::RecipientPhase::pending);
    }
}

TEST(ManyRecipients, share_one_reading_of_the_message) {
    constexpr std::size_t count = 200;
    World world;
    world.settings.delivery.memory_bytes_max = 0;
    const auto id = world.send(mail_to_domains(world, count, "450 4.2.1 later"));
    world.settings.delivery.memory_bytes_max = 64u << 20;
    world.store.reads = 0;
    load(world, id);
    world.run_for(20s);
    EXPECT_EQ(world.count<events::Deferred>(), count);
    EXPECT_EQ(world.store.reads, 1);
    world.run_for(1h);
    EXPECT_GE(world.count<events::Deferred>(), 2 * count);
    EXPECT_EQ(world.store.reads, 1) << "some of so many are always about to be tried";
}

TEST(ManyRecipients, count_in_the_memory_that_a_message_which_was_read_back_takes) {
    World world;
    const auto id = world.send(mail_to_domains(world, 200, "450 4.2.1 later"));
    world.run_for(1s);
    load(world, id);
    world.run_for(10min);
    EXPECT_GT(world.desk().counters().body_bytes_in_memory, 200u * 100u);
}

TEST(ManyRecipients, waiting_without_memory_are_read_for_together) {
    World world;
    world.settings.delivery.memory_bytes_max = 0;
    const auto id = world.send(mail_to_domains(world, 20, "450 4.2.1 later"));
    world.store.reads = 0;
    load(world, id);
    world.run_for(20s);
    EXPECT_EQ(world.count<events::Deferred>(), 20u);
    EXPECT_LT(world.store.reads, 10) << "those who ask while it is read get the same";
}

TEST(ManyRecipients, of_many_domains_with_one_host_go_in_few_transactions) {
    World world;
    world::Mail mail;
    mail.to.clear();
    auto& server = world.serve("shared.example", "192.0.2.7");
    for (int i = 0; i < 45; ++i) {
        const auto domain = "d" + std::to_string(i) + ".example";
        world.resolver.set_mx(domain, {"mx.shared.example"});
        mail.to.push_back("bob@" + domain);
    }
    world.send(mail);
    world.run_for(1min);
    // The first may go before the DNS has told where the others go.
    EXPECT_LE(server.received.size(), 5u);
    std::size_t recipients = 0;
    for (const auto& received : server.received) recipients += received.recipients.size();
    EXPECT_EQ(recipients, 45u);
}

// More at the same time than were ever counted on.
TEST(ManyRecipients, may_have_as_many_reports_under_way) {
    constexpr std::size_t count = 1100;
    World world;
    world.store.body_latency = 10s;
    auto mail = mail_to_domains(world, count, "250 2.1.5 ok");
    mail.notify = queue::notify_success;
    mail.is_large = true;
    const auto id = world.send(mail);
    world.run_for(10min);
    EXPECT_EQ(world.count<events::Delivered>(), count);
    EXPECT_EQ(world.events.count_exact<events::Completed>(std::to_string(id)), 1u);
    EXPECT_FALSE(world.store.kept.contains(id));
    std::size_t told_of = 0;
    for (const auto& report : world.reports) told_of += report.outcomes.size();
    EXPECT_EQ(told_of, count);
}

}  // namespace
}  // namespace mta::outbound
