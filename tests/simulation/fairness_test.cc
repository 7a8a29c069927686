// Senders take turns at a destination, so that a sender with little mail does not wait for one with
// much.
#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace simulation {
namespace {

using namespace std::chrono_literals;
using mta::Millis;

// Several senders, each with more mail than can be delivered at once, for one destination. It is up
// from the beginning, or comes up when all mail waits.
class BusyDestination {
public:
    explicit BusyDestination(std::uint64_t seed) : rng_(seed) {
        world_.settings.retry.delay_notices.clear();
        world_.settings.delivery.connections_per_destination_max = between(1, 8);
        world_.settings.delivery.messages_per_connection_max = between(5, 100);
        auto& server = world_.serve("busy.example");
        server.latency = Millis{between(5, 50)};
        server.is_refusing = between(0, 1) == 1;
        send_all();
        world_.run_for(10min);
        server.is_refusing = false;
        world_.run_for(24h);
    }

    // Checks that all mail was delivered, and that each sender had its share as long as all senders
    // had mail in line.
    void check() {
        const auto& received = world_.server("192.0.2.1").received;
        std::size_t sent = 0;
        for (const auto& [sender, count] : sent_) sent += count;
        EXPECT_EQ(received.size(), sent);
        std::map<std::string, std::size_t> served;
        std::size_t all = 0;
        for (const auto& each : received) {
            const auto sender = each.sender.substr(11, each.sender.find('>') - 11);
            ASSERT_TRUE(sent_.contains(sender)) << each.sender;
            ++all;
            // The sender's last messages may be under way now, with none of its mail in line.
            if (++served[sender] + in_flight_max >= sent_[sender]) break;
        }
        const auto share = static_cast<double>(all) / static_cast<double>(sent_.size());
        for (const auto& [sender, count] : sent_) {
            EXPECT_NEAR(static_cast<double>(served[sender]), share, share / 10)
                << sender << " of " << sent_.size() << " senders";
        }
    }

private:
    static constexpr std::size_t in_flight_max = 16;

    std::uint32_t between(std::uint32_t least, std::uint32_t most) {
        return least + static_cast<std::uint32_t>(rng_() % (most - least + 1));
    }

    // Each sender has some hundreds of messages. Those of the first sender come before all others,
    // or all of them come mixed.
    void send_all() {
        std::vector<std::string> mail;
        for (auto number = between(2, 8); number > 0; --number) {
            const auto sender = "s" + std::to_string(number) + "@office.example";
            sent_[sender] = between(100, 600);
            mail.insert(mail.end(), sent_[sender], sender);
        }
        if (between(0, 1) == 1) std::ranges::shuffle(mail, rng_);
        for (const auto& sender : mail) world_.send({.from = sender, .to = {"bob@busy.example"}});
    }

    std::mt19937_64 rng_;
    world::World world_;
    std::map<std::string, std::size_t> sent_;
};

TEST(Fairness, every_sender_has_its_share_of_a_busy_destination) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        BusyDestination(seed).check();
    }
}

}  // namespace
}  // namespace simulation
