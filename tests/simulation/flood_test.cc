// A sender's flood, much of it to domains whose name servers are dead, costs the ordinary mail of
// others little time.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/outbound/world.h"
#include "tests/simulation/wire_dns.h"

namespace simulation {
namespace {

using namespace std::chrono_literals;
using mta::Millis;

// Several senders write now and then to domains that work, some of them new to the relay, and to
// one domain that they share. At some time another sender floods the relay.
class FloodedRelay {
public:
    explicit FloodedRelay(std::uint64_t seed) : rng_(seed) {
        world_.settings.retry.delay_notices.clear();
        world_.settings.delivery.connections_max = 100;
        world_.settings.delivery.connections_per_destination_max = between(2, 8);
        world_.other_resolver = std::make_unique<WireDns>(world_.agenda, names_, seed);
        make_domain("busy.example").latency = Millis{between(20, 60)};
        for (int number = 0; number < known_domains; ++number) make_domain(known(number));
        send("first@office.example", "busy.example");
        for (int number = 0; number < known_domains; ++number)
            send("first@office.example", known(number));
        world_.run_for(1min);
        for (auto when = 0s; when < mail_comes_for; when += std::chrono::seconds(between(1, 10)))
            world_.agenda.later(when, [this] { send_ordinary(); });
        for (auto floods = between(2, 4); floods > 0; --floods)
            world_.agenda.later(Millis{between(0, 900'000)}, [this] { flood(); });
        world_.run_for(mail_comes_for + 30min);
    }

    void check() const {
        EXPECT_GT(flooded_, 1000) << "no flood";
        for (const auto& [address, mail] : ordinary_) {
            ASSERT_TRUE(mail.took) << address << " has waited since " << mail.sent - world_.start;
            EXPECT_LE(*mail.took, within(address)) << address;
        }
    }

private:
    static constexpr int known_domains = 20;
    static constexpr std::chrono::seconds mail_comes_for = 30min;
    struct Mail {
        Instant sent;
        std::optional<Millis> took;
    };

    static Millis within(const std::string& address) {
        if (address.contains("busy")) return 1min;
        return address.contains("known") ? 30s : 2min;
    }
    static std::string known(int number) { return "known" + std::to_string(number) + ".example"; }
    std::uint32_t between(std::uint32_t least, std::uint32_t most) {
        return least + static_cast<std::uint32_t>(rng_() % (most - least + 1));
    }

    world::Server& make_domain(const std::string& domain) {
        const auto number = ++servers_;
        const auto address =
            "198.18." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1);
        names_[domain].exchanges = {"mx." + domain};
        names_["mx." + domain].addresses = {address};
        auto& server = world_.server(address);
        server.latency = Millis{between(1, 80)};
        server.group = domain;
        server.on_received = [this](const world::Received& received) {
            for (const auto& recipient : received.recipients) {
                const auto mail = ordinary_.find(recipient);
                if (mail != ordinary_.end()) mail->second.took = received.when - mail->second.sent;
            }
        };
        return server;
    }

    void send(const std::string& from, const std::string& domain) {
        const auto address = "u" + std::to_string(++sent_) + "@" + domain;
        ordinary_[address] = {.sent = world_.agenda.now(), .took = {}};
        world_.send({.from = from, .to = {address}});
    }
    void send_ordinary() {
        const auto from = "s" + std::to_string(between(1, 9)) + "@office.example";
        const auto dice = between(0, 9);
        if (dice < 3) return send(from, "busy.example");
        if (dice < 7) return send(from, known(static_cast<int>(between(0, known_domains - 1))));
        const auto domain = "new" + std::to_string(sent_) + ".example";
        make_domain(domain);
        send(from, domain);
    }

    // A domain that is new to the relay.
    std::string flooded_domain() {
        const auto domain = "d" + std::to_string(++flooded_) + ".flood.example";
        const auto dice = between(0, 99);
        if (dice < 70) {
            names_[domain].is_silent = true;
        } else {
            auto& server = make_domain(domain);
            if (flooded_ % 200 == 0) server.is_hanging = true;
            if (dice < 80) server.is_refusing = true;
            if (dice >= 90) names_["mx." + domain].is_silent = true;
        }
        return domain;
    }
    void flood() {
        const std::string from = "news@office.example";
        if (between(0, 1) == 0) {
            for (auto messages = between(1000, 2000); messages > 0; --messages)
                world_.send({.from = from, .to = {"x@" + flooded_domain()}});
        } else {
            std::vector<std::string> to;
            for (auto recipients = between(500, 1000); recipients > 0; --recipients)
                to.push_back("x@" + flooded_domain());
            for (auto messages = between(1, 2); messages > 0; --messages)
                world_.send({.from = from, .to = to});
        }
        for (auto messages = between(300, 1000); messages > 0; --messages)
            world_.send({.from = from, .to = {"x@busy.example"}});
    }

    std::mt19937_64 rng_;
    WireNames names_;
    std::map<std::string, Mail> ordinary_;  // by recipient
    world::World world_;
    int servers_ = 0;
    int sent_ = 0;
    int flooded_ = 0;
};

TEST(Flood, delays_the_mail_of_others_little) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        FloodedRelay(seed).check();
    }
}

}  // namespace
}  // namespace simulation
