#include "mta/outbound/router.h"

#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using dns::Freshness;
using world::World;

constexpr auto trouble = dns::LookupError::Kind::server_failure;

class RouterTest : public testing::Test {
protected:
    // Mail for them.example, whose DNS fails.
    void begin_with_dns_trouble() {
        world.serve("them.example");
        world.resolver.mx["them.example"] = world::FakeResolver::error("SERVFAIL", trouble);
        world.send();
        world.run_for(1s);
    }
    [[nodiscard]] std::size_t asked() const { return world.resolver.asked.size(); }

    World world;
};

TEST_F(RouterTest, a_first_look_up_may_be_answered_from_memory_and_a_probe_may_not) {
    begin_with_dns_trouble();
    ASSERT_EQ(world.resolver.wanted, std::vector{Freshness::cached});
    world.run_for(40s);
    EXPECT_EQ(world.resolver.wanted, (std::vector{Freshness::cached, Freshness::retry}));
}

TEST_F(RouterTest, an_order_asks_the_dns_really_and_never_moves_the_next_look_up) {
    begin_with_dns_trouble();
    const auto next_look_up = [this] {
        return world.manager().find(1)->recipients.at(0).next_attempt.value_or(Instant{});
    };
    const auto scheduled = next_look_up();
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(world.manager().flush(), 1u);
        world.run_for(1s);
        EXPECT_EQ(asked(), static_cast<std::size_t>(2 + i));
        EXPECT_EQ(world.resolver.wanted.back(), Freshness::ordered);
        EXPECT_EQ(next_look_up(), scheduled);
    }
    world.resolver.set_mx("them.example", {"mx.them.example"});
    world.manager().flush_domain("them.example");
    world.run_for(1s);
    EXPECT_TRUE(world.has("delivered bob@them.example"));
}

// It may have moved to other hosts.
TEST_F(RouterTest, an_order_asks_where_mail_goes_for_a_destination_that_is_down) {
    auto& old_server = world.serve("them.example");
    old_server.is_refusing = true;
    world.send();
    world.run_for(1s);
    world.resolver.set_mx("them.example", {"mx.new.example"});
    world.resolver.set_host("mx.new.example", {"192.0.2.2"});
    auto& new_server = world.server("192.0.2.2");
    world.manager().flush();
    world.run_for(1s);
    EXPECT_EQ(new_server.received.size(), 1u);
}

TEST_F(RouterTest, hosts_of_a_probe_a_retry_and_an_order_are_asked_for_anew) {
    world.serve("them.example").is_refusing = true;
    world.send();
    world.run_for(1s);
    EXPECT_EQ(world.resolver.wanted, (std::vector{Freshness::cached, Freshness::cached}));
    world.run_for(20s);
    ASSERT_EQ(world.resolver.asked.back(), "mx.them.example A");
    EXPECT_EQ(world.resolver.wanted.back(), Freshness::retry) << "the probe";
    world.resolver.asked.clear();
    world.resolver.wanted.clear();
    world.manager().flush();
    world.run_for(1s);
    EXPECT_GE(asked(), 2u);
    for (const auto wanted : world.resolver.wanted) EXPECT_EQ(wanted, Freshness::ordered);

    World greylisted;
    greylisted.serve("them.example").reply = world::always("RCPT", "450 4.2.0 greylisted");
    greylisted.send();
    greylisted.run_for(6min);
    ASSERT_GE(greylisted.resolver.asked.size(), 3u);
    EXPECT_EQ(greylisted.resolver.asked.back(), "mx.them.example A");
    EXPECT_EQ(greylisted.resolver.wanted.back(), Freshness::retry);
}

}  // namespace
}  // namespace mta::outbound
