// Answers that do not fit into UDP, and the behaviour of name servers over TCP.
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/cares_driver.h"
#include "dns/name_server_health.h"
#include "mta/base/ip_address.h"
#include "tests/dns/driver_world.h"
#include "tests/dns/fake_name_server.h"
#include "tests/dns/fake_tcp_name_server.h"
#include "tests/dns/message_builder.h"

namespace dns {
namespace {
using namespace std::chrono_literals;
using test::DriverWorld;
using test::FakeNameServer;
using test::FakeTcpNameServer;
using test::MessageBuilder;
using Kind = LookupError::Kind;
using Query = FakeNameServer::Query;
using Connection = FakeTcpNameServer::Connection;

constexpr unsigned truncated = 0x8380;  // QR, TC, RD, RA

void cut_short(FakeNameServer& server, const Query& query) {
    server.send(query, MessageBuilder(query.question).id(query.id).flags(truncated).build());
}
std::string answer_to(const Query& query, int records = 1) {
    MessageBuilder answer(query.question);
    answer.id(query.id);
    for (int i = 0; i < records; ++i)
        answer.mx(query.question.name, static_cast<unsigned>(i),
                  "mx" + std::to_string(i) + ".example");
    return answer.build();
}
void answer_whole(FakeNameServer& server, const Query& query) {
    server.send(query, answer_to(query));
}
void ask_many(DriverWorld& world, int count) {
    for (int i = 0; i < count; ++i) world.ask("d" + std::to_string(i) + ".example");
    world.run_until_answered();
}
void expect_all_found(const DriverWorld& world) {
    for (const auto& answer : world.answers)
        EXPECT_TRUE(answer.records) << answer.records.error().text;
}
// A recursive server that gets no answer itself for names that begin with "silent".
void answer_unless_silent(Connection& client, const Query& query) {
    if (!query.question.name.starts_with("silent")) client.send(answer_to(query));
}
void ask_silent(DriverWorld& world, int count) {
    for (int i = 0; i < count; ++i) world.ask("silent" + std::to_string(i) + ".example");
}
// Long timeouts: on a busy machine, a question that is answered must not time out.
CaresOptions asking(std::vector<mta::Endpoint> servers) {
    return {.servers = std::move(servers), .timeout = 15s, .tries = 2};
}

TEST(CaresDriverTcp, a_server_may_close_the_connection_after_one_answer) {
    DriverWorld world;
    FakeNameServer udp(world.loop, cut_short);
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), [](Connection& client, const Query& query) {
        client.send(answer_to(query));
        client.close();
    });
    world.start(asking({udp.endpoint()}));
    ask_many(world, 30);
    expect_all_found(world);
    EXPECT_EQ(tcp.connections(), 30u);
}

TEST(CaresDriverTcp, a_connection_that_is_lost_without_an_answer_is_made_again) {
    DriverWorld world;
    FakeNameServer udp(world.loop, cut_short);
    int lost = 0;
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), [&](Connection& client, const Query& query) {
        if (++lost % 3 == 0) client.send(answer_to(query));
        client.close();
    });
    world.start(asking({udp.endpoint()}));
    world.ask("them.example");
    world.run_until_answered();
    expect_all_found(world);
    EXPECT_EQ(udp.queries().size(), 1u);
    EXPECT_EQ(tcp.connections(), 3u);
}

TEST(CaresDriverTcp, a_server_that_always_closes_is_asked_three_times_and_then_the_next_server) {
    DriverWorld world;
    FakeNameServer udp(world.loop, cut_short);
    FakeTcpNameServer tcp(world.loop, udp.endpoint(),
                          [](Connection& client, const Query&) { client.close(); });
    FakeNameServer good(world.loop, answer_whole);
    world.start(asking({udp.endpoint(), good.endpoint()}));
    world.ask("them.example");
    world.run_until_answered();
    expect_all_found(world);
    EXPECT_EQ(tcp.connections(), 3u);
    EXPECT_EQ(udp.queries().size(), 1u);
}

TEST(CaresDriverTcp, a_closed_tcp_port_says_nothing_about_what_fits_into_udp) {
    DriverWorld world;
    FakeNameServer udp(world.loop, [](FakeNameServer& self, const Query& query) {
        query.question.name == "large.example" ? cut_short(self, query) : answer_whole(self, query);
    });
    FakeNameServer other(world.loop, cut_short);
    world.start(asking({udp.endpoint(), other.endpoint()}));
    world.ask("large.example");
    world.run_until_answered();
    ASSERT_FALSE(world.answers[0].records);
    EXPECT_EQ(world.answers[0].records.error().kind, Kind::malformed);
    EXPECT_EQ(world.answers[0].records.error().text,
              "the answer from " + to_string(other.endpoint()) +
                  " for large.example MX is cut short over UDP, and over TCP the connection fails");
    for (int i = 0; i < 5; ++i) world.ask("d" + std::to_string(i) + ".example");
    world.run_until_answered();
    for (std::size_t i = 1; i < world.answers.size(); ++i) EXPECT_TRUE(world.answers[i].records);
    EXPECT_EQ(other.queries().size(), 1u);
}

TEST(CaresDriverTcp, a_name_that_is_silent_over_tcp_takes_nothing_from_other_names) {
    DriverWorld world;
    FakeNameServer udp(world.loop, cut_short);
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), answer_unless_silent);
    auto options = asking({udp.endpoint()});
    options.timeout = 1s;
    options.brief_timeout = 100ms;
    world.start(options);
    ask_silent(world, 9);
    world.run_until_answered();
    for (const auto& answer : world.answers) {
        ASSERT_FALSE(answer.records);
        EXPECT_EQ(answer.records.error().kind, Kind::timed_out) << "each was asked";
    }
    ask_silent(world, 9);
    world.ask("them.example");
    world.run_until([&] { return world.answered == 10; });
    ASSERT_EQ(world.order.back(), 18u) << "before those that were silent";
    EXPECT_TRUE(world.answers.back().records) << world.answers.back().records.error().text;
}

TEST(CaresDriverTcp, a_name_that_answered_over_tcp_waits_for_no_unknown_ones) {
    DriverWorld world;
    FakeNameServer udp(world.loop, cut_short);
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), answer_unless_silent);
    auto options = asking({udp.endpoint()});
    options.brief_timeout = options.timeout = 60s;
    world.start(options);
    world.ask("them.example");
    world.run_until_answered();
    ask_silent(world, 40);
    world.ask("them.example");
    world.run_until([&] { return world.answered == 2; });
    EXPECT_TRUE(world.answers.back().records);
}

TEST(CaresDriverTcp, a_slow_answer_is_waited_for_once_more_after_a_brief_silence) {
    DriverWorld world;
    FakeNameServer udp(world.loop, cut_short);
    int asked = 0;
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), [&](Connection& client, const Query& query) {
        if (query.question.name == "slow.example" && ++asked == 2) client.send(answer_to(query));
    });
    auto options = asking({udp.endpoint()});
    options.timeout = 60s;
    options.brief_timeout = 100ms;
    world.start(options);
    ask_silent(world, 3);  // more than a quarter of the connections
    world.ask("slow.example");
    world.run_until([&] { return world.answered == 1; });
    EXPECT_TRUE(world.answers.back().records);
}

TEST(CaresDriverTcp, what_goes_on_over_tcp_takes_no_place_from_what_fits_into_udp) {
    DriverWorld world;
    FakeNameServer udp(world.loop, [](FakeNameServer& self, const Query& query) {
        query.question.name == "small.example" ? answer_whole(self, query) : cut_short(self, query);
    });
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), answer_unless_silent);
    auto options = asking({udp.endpoint()});
    options.brief_timeout = options.timeout = 60s;
    options.in_flight_max = 2;
    world.start(options);
    int cut = 0;
    for (int i = 0; i < 20; ++i) {
        world.driver->ask(
            {"silent" + std::to_string(i) + ".example", RecordType::mx}, Effort::full,
            [](const Answer&) { FAIL() << "no server answered"; }, [&] { ++cut; });
    }
    world.ask("small.example");
    world.run_until_answered();
    EXPECT_TRUE(world.answers[0].records);
    EXPECT_GE(cut, 19);
}

TEST(CaresDriverTcp, a_server_that_is_silent_over_tcp_is_asked_after_one_that_is_well) {
    DriverWorld world;
    FakeNameServer udp(world.loop, cut_short);
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), [](Connection&, const Query&) {});
    FakeNameServer good(world.loop, [](FakeNameServer& self, const Query& query) {
        if (query.question.name != "silent.example") answer_whole(self, query);
    });
    auto options = asking({udp.endpoint(), good.endpoint()});
    options.timeout = 500ms;
    world.start(options);
    for (int i = 0; i < 10; ++i) {
        world.ask("d" + std::to_string(i) + ".example");
        world.run_until_answered();
    }
    expect_all_found(world);
    EXPECT_LE(tcp.connections(), NameServerHealth::timeouts_in_a_row_max + 1);
    const auto before = tcp.connections();
    world.ask("silent.example");
    world.run_until_answered();
    EXPECT_EQ(tcp.connections(), before + 1) << "it is asked if no other server answers";
}

TEST(CaresDriverTcp, answers_overloaded_when_too_many_wait_for_a_connection) {
    DriverWorld world;
    FakeNameServer udp(world.loop, cut_short);
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), [](Connection&, const Query&) {});
    auto options = asking({udp.endpoint()});
    options.brief_timeout = options.timeout = 60s;
    options.tcp_waiting_max = 10;
    world.start(options);
    ask_silent(world, 15);
    world.run_until([&] { return world.answered == 1; });
    const auto& answer = world.answers[world.order[0]];
    ASSERT_FALSE(answer.records);
    EXPECT_EQ(answer.records.error().kind, Kind::overloaded);
}

TEST(CaresDriverTcp, never_has_more_connections_than_its_limit) {
    DriverWorld world;
    FakeNameServer udp(world.loop, cut_short);
    std::deque<std::pair<Connection*, Query>> held;
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), [&](Connection& client, const Query& query) {
        held.emplace_back(&client, query);
        world.wake();
    });
    auto options = asking({udp.endpoint()});
    options.brief_timeout = options.timeout;
    world.start(options);
    // Unknown names share half of the connections until their first answer.
    for (const auto limit :
         {CaresDriver::tcp_connections_max / 2, CaresDriver::tcp_connections_max}) {
        const auto before = world.answered;
        for (int i = 0; i < 40; ++i) world.ask("d" + std::to_string(i) + ".example");
        for (std::size_t answered = 0; answered < 40; ++answered) {
            world.run_until([&] { return held.size() >= std::min(limit, 40 - answered); });
            const auto [client, query] = held.front();
            held.pop_front();
            client->send(answer_to(query));
            world.run_until([&] { return world.answered > before + answered; });
        }
        EXPECT_LE(tcp.open_most(), limit + 1) << "one whose end has not arrived";
    }
    expect_all_found(world);
}

TEST(CaresDriverTcp, an_answer_that_is_larger_than_udp_may_be_is_asked_for_over_tcp) {
    DriverWorld world;
    FakeNameServer udp(world.loop, [](FakeNameServer& self, const Query& query) {
        self.send(query, answer_to(query, 60));
    });
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), [](Connection& client, const Query& query) {
        client.send(answer_to(query, 60));
    });
    world.start(asking({udp.endpoint()}));
    world.ask("them.example");
    world.run_until_answered();
    ASSERT_TRUE(world.answers[0].records);
    EXPECT_EQ(std::get<MxRecords>(*world.answers[0].records).size(), 60u);
}

TEST(CaresDriverTcp, a_server_without_edns_is_asked_over_tcp_without) {
    DriverWorld world;
    FakeNameServer udp(world.loop, cut_short);
    FakeTcpNameServer tcp(world.loop, udp.endpoint(), [](Connection& client, const Query& query) {
        client.send(query.has_edns ? MessageBuilder(query.question).id(query.id).rcode(4).build()
                                   : answer_to(query));
        client.close();
    });
    world.start(asking({udp.endpoint()}));
    ask_many(world, 10);
    expect_all_found(world);
}

}  // namespace
}  // namespace dns
