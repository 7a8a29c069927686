// The DNS table: the answers of real name servers (knotd behind unbound, on loopback), and the
// result at the end of the whole chain of c-ares, parser, cache and plan.
#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/caching_resolver.h"
#include "dns/mx_plan.h"
#include "mta/base/limits.h"
#include "tests/dns/driver_world.h"
#include "tests/dns/name_servers.h"

namespace dns {
namespace {
using namespace std::chrono_literals;
using test::DriverWorld;
using test::NameServers;

// 110 hosts take about 2.5 kB, twice the limit of an answer over UDP.
std::string many_mx() {
    std::string lines;
    for (int i = 100; i < 210; ++i) {
        lines += "@ MX " + std::to_string(i) + " host-number-" + std::to_string(i) + '\n';
    }
    return lines;
}

// c1 -> c2 -> ... -> c11 -> end, which has an MX.
std::string cname_chain() {
    std::string lines = "end MX 10 mx\nmx A 192.0.2.1\nc11 CNAME end\n";
    for (int i = 1; i < 11; ++i) {
        lines += 'c' + std::to_string(i) + " CNAME c" + std::to_string(i + 1) + '\n';
    }
    return lines;
}

NameServers::Zones zones() {
    return {
        {"them.example", R"(
@        MX 20 mx2
@        MX 10 mx1
@        MX 30 mx3
mx1      A 192.0.2.1
mx1      AAAA 2001:db8::1
mx2      A 192.0.2.2
onlyv6   AAAA 2001:db8::6
nomx     A 192.0.2.3
noaddr   TXT "nothing else"
alias    CNAME them.example.
away     CNAME target.other.example.
mxalias  CNAME mx1
broken   CNAME nosuch.other.example.
empty    CNAME noaddr
badmx    MX 10 nosuch
mixed    MX 10 Bad\032Host
mixed    MX 20 mx1
badhost  MX 10 bad\032host
local    A 127.0.0.1
linkl    A 169.254.169.254
some     A 127.0.0.1
some     A 192.0.2.9
short    300 MX 10 mx1
)"},
        {"other.example", "target MX 10 mx\nmx A 192.0.2.7\n"},
        {"null.example", "@ MX 0 .\n"},
        {"nullandmore.example", "@ MX 0 .\n@ MX 10 mx\n"},
        {"looped.example", "@ MX 10 mail.office.example.\n@ MX 20 backup\n"},
        {"backed.example",
         "@ MX 10 mx\n@ MX 20 mail.office.example.\n@ MX 20 equal\n@ MX 30 last\n"},
        {"many.example", many_mx()},
        {"chain.example", cname_chain()},
        {"circle.example", "a CNAME b\nb CNAME a\n"},
        {"burst.example", "* MX 10 mx\nmx A 192.0.2.1\n"},
    };
}

// Started by the first test that needs them, stopped after the last one.
class Servers : public testing::Environment {
public:
    static const NameServers& get() {
        auto& servers = instance();
        if (!servers) servers = std::make_unique<NameServers>(zones());
        return *servers;
    }
    void TearDown() override { instance().reset(); }

private:
    static std::unique_ptr<NameServers>& instance() {
        static std::unique_ptr<NameServers> servers;
        return servers;
    }
};
const auto* const servers_end = testing::AddGlobalTestEnvironment(new Servers);

enum class Via : std::uint8_t { resolver, authority };
enum class Ask : std::uint8_t { hosts, addresses };

// The rows read best in this order. NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct DnsCase {
    std::string name;
    Ask ask;
    std::string domain;
    std::string want;  // hosts or endpoints, or the error's status
    std::string words = "";
    Via via = Via::resolver;
};
std::ostream& operator<<(std::ostream& out, const DnsCase& row) { return out << row.name; }

const DnsCase dns_cases[] = {
    {"mx_set_by_preference", Ask::hosts, "them.example",
     "mx1.them.example mx2.them.example mx3.them.example"},
    {"null_mx", Ask::hosts, "null.example", "5.1.10", "accepts no mail"},
    {"null_mx_among_others", Ask::hosts, "nullandmore.example", "mx.nullandmore.example"},
    {"implicit_mx", Ask::hosts, "nomx.them.example", "nomx.them.example"},
    {"implicit_mx_has_an_address", Ask::addresses, "nomx.them.example", "192.0.2.3:25"},
    {"implicit_mx_without_address", Ask::addresses, "noaddr.them.example", "5.4.4",
     "no IP address"},
    {"nxdomain", Ask::hosts, "nosuch.example", "5.1.2",
     "The domain nosuch.example does not exist (NXDOMAIN)."},
    {"nxdomain_of_a_host", Ask::addresses, "nosuch.them.example", "5.4.4", "does not exist"},
    {"mx_that_points_nowhere_is_no_implicit_mx", Ask::hosts, "badmx.them.example",
     "nosuch.them.example"},
    {"mx_with_an_odd_name_beside_a_good_one", Ask::hosts, "mixed.them.example", "mx1.them.example"},
    {"mx_with_an_odd_name_alone", Ask::hosts, "badhost.them.example", "4.4.3",
     "an MX record that names no valid host"},

    {"cname_to_a_domain_with_mx", Ask::hosts, "alias.them.example",
     "mx1.them.example mx2.them.example mx3.them.example"},
    {"cname_into_another_zone", Ask::hosts, "away.them.example", "mx.other.example"},
    {"cname_of_a_host", Ask::addresses, "mxalias.them.example", "[2001:db8::1]:25 192.0.2.1:25"},
    {"cname_to_nxdomain", Ask::hosts, "broken.them.example", "5.1.2", "does not exist"},
    {"cname_to_no_data", Ask::addresses, "empty.them.example", "5.4.4", "no IP address"},
    {"cname_circle", Ask::hosts, "a.circle.example", "4.4.3", "SERVFAIL"},
    {"cname_circle_of_the_authority", Ask::hosts, "a.circle.example", "4.4.3", "CNAMEs without end",
     Via::authority},
    {"cname_chain_of_ten", Ask::hosts, "c2.chain.example", "mx.chain.example"},
    {"cname_chain_of_eleven", Ask::hosts, "c1.chain.example", "4.4.3"},
    {"cname_chain_that_the_authority_leaves_unfinished", Ask::hosts, "c1.chain.example",
     "mx.chain.example", "", Via::authority},

    {"own_host_drops_equal_and_worse", Ask::hosts, "backed.example", "mx.backed.example"},
    {"own_host_first", Ask::hosts, "looped.example", "5.4.6", "mail.office.example"},

    {"addresses_of_both_families", Ask::addresses, "mx1.them.example",
     "[2001:db8::1]:25 192.0.2.1:25"},
    {"addresses_v4_only", Ask::addresses, "mx2.them.example", "192.0.2.2:25"},
    {"addresses_v6_only", Ask::addresses, "onlyv6.them.example", "[2001:db8::6]:25"},
    {"address_of_loopback", Ask::addresses, "local.them.example", "5.4.6",
     "delivery.allow_networks"},
    {"address_of_link_local", Ask::addresses, "linkl.them.example", "5.4.6", "169.254.169.254"},
    {"address_of_loopback_beside_a_good_one", Ask::addresses, "some.them.example", "192.0.2.9:25"},

    {"servfail_zone_file_missing", Ask::hosts, "servfail.test", "4.4.3", "SERVFAIL"},
    {"servfail_of_a_host", Ask::addresses, "mx.servfail.test", "4.4.3", "SERVFAIL"},
    {"refused", Ask::hosts, "refused.test", "4.4.3", "REFUSED"},
    {"refused_of_a_host", Ask::addresses, "mx.refused.test", "4.4.3", "REFUSED"},
    {"timeout", Ask::hosts, "drop.test", "4.4.3", "no answer from 127.0.0.1"},
    {"timeout_of_a_host", Ask::addresses, "mx.drop.test", "4.4.3", "no answer from 127.0.0.1"},

    {"truncated_every_time", Ask::hosts, "tcponly.test", "mx.tcponly.test", "", Via::authority},
    {"truncated_through_the_resolver", Ask::hosts, "tcponly.test", "mx.tcponly.test"},
    {"truncated_addresses", Ask::addresses, "mx.tcponly.test", "192.0.2.1:25", "", Via::authority},
};

class DnsTable : public testing::TestWithParam<DnsCase> {
protected:
    void SetUp() override { ASSERT_EQ(Servers::get().error(), ""); }

    void start(Via via, mta::Millis timeout = 10s) {
        const auto& servers = Servers::get();
        world.start({.servers = {via == Via::resolver ? servers.resolver() : servers.authority()},
                     .timeout = timeout,
                     .tries = 2});
        resolver = std::make_unique<CachingResolver>(CachingResolver::World{
            .ask =
                [this](const Question& question, Effort effort, auto on_answer, auto on_cut_short) {
                    world.driver->ask(question, effort, std::move(on_answer),
                                      std::move(on_cut_short));
                },
            .now = [this] { return world.clock.now(); },
            .defer = [this](auto work) { world.loop.at_turn_end(std::move(work)); }});
    }
    Lookup<MxAnswer> look_up_mx(const std::string& domain) {
        Lookup<MxAnswer> answer = std::unexpected(LookupError{});
        bool is_answered = false;
        resolver->look_up_mx(domain, Freshness::cached, [&](const auto& found) {
            answer = found;
            is_answered = true;
            world.wake();
        });
        world.run_until([&] { return is_answered; });
        return answer;
    }
    Lookup<AddressAnswer> look_up_addresses(const std::string& host) {
        Lookup<AddressAnswer> answer = std::unexpected(LookupError{});
        bool is_answered = false;
        resolver->look_up_addresses(host, HostOf::mx, Freshness::cached, [&](const auto& found) {
            answer = found;
            is_answered = true;
            world.wake();
        });
        world.run_until([&] { return is_answered; });
        return answer;
    }
    // The plan in the form of the table's last column.
    std::string plan(const DnsCase& row) {
        std::string text;
        const auto add = [&](const std::string& one) { text += (text.empty() ? "" : " ") + one; };
        if (row.ask == Ask::hosts) {
            const auto hosts =
                plan_hosts(row.domain, look_up_mx(row.domain), {"mail.office.example"}, rng);
            if (!hosts) return say(hosts.error());
            for (const auto& host : *hosts) add(host);
        } else {
            const auto endpoints =
                plan_addresses(row.domain, look_up_addresses(row.domain), {}, rng);
            if (!endpoints) return say(endpoints.error());
            for (const auto& endpoint : *endpoints) add(to_string(endpoint));
        }
        return text;
    }
    std::string say(const mta::DeliveryError& error) {
        words = error.text;
        return to_string(error.status);
    }

    DriverWorld world;
    std::unique_ptr<CachingResolver> resolver;
    std::mt19937_64 rng{1};
    std::string words;
};

TEST_P(DnsTable, becomes) {
    const auto& row = GetParam();
    start(row.via, row.domain.ends_with("drop.test") ? 300ms : 10s);
    EXPECT_EQ(plan(row), row.want) << words;
    EXPECT_THAT(words, testing::HasSubstr(row.words));
    // The second time, the answer comes from the cache, if there is one.
    EXPECT_EQ(plan(row), row.want) << words;
}

INSTANTIATE_TEST_SUITE_P(, DnsTable, testing::ValuesIn(dns_cases),
                         [](const auto& test) { return test.param.name; });

class DnsServers : public DnsTable {};

TEST_F(DnsServers, an_answer_of_several_datagrams_comes_over_tcp) {
    start(Via::resolver);
    const auto answer = look_up_mx("many.example");
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_EQ(answer->records.size(), 110u);
    const auto hosts = plan_hosts("many.example", answer, {}, rng);
    EXPECT_EQ(hosts->size(), mta::limits::mx_hosts_max);
    EXPECT_EQ(hosts->front(), "host-number-100.many.example");
}

TEST_F(DnsServers, many_answers_at_once_over_tcp_lose_none) {
    start(Via::authority);
    constexpr int count = 300;
    int found = 0;
    int answered = 0;
    for (int i = 0; i < count; ++i) {
        world.driver->ask({"host" + std::to_string(i) + ".tcponly.test", RecordType::mx},
                          Effort::full, [&](Answer answer) {
                              const bool is_no =
                                  !answer.records && !answer.records.error().is_temporary();
                              if (is_no) ++found;
                              ++answered;
                              world.wake();
                          });
    }
    world.run_until([&] { return answered == count; });
    EXPECT_EQ(found, count);
}

TEST_F(DnsServers, the_zone_says_how_long_an_answer_is_kept) {
    start(Via::authority);
    EXPECT_EQ(look_up_mx("them.example")->ttl, 60s);
    EXPECT_EQ(look_up_mx("short.them.example")->ttl, 300s);
    world.answers.clear();
    world.ask("nosuch.them.example");
    world.run_until_answered();
    EXPECT_EQ(world.answers[0].ttl, 60s);  // the SOA's minimum
}

TEST_F(DnsServers, a_burst_of_2000_distinct_look_ups_loses_none) {
    start(Via::resolver);
    constexpr int count = 2000;
    int answered = 0;
    int found = 0;
    std::size_t in_flight_max = 0;
    for (int i = 0; i < count; ++i) {
        resolver->look_up_mx('d' + std::to_string(i) + ".burst.example", Freshness::cached,
                             [&](const auto& answer) {
                                 if (answer) ++found;
                                 in_flight_max = std::max(in_flight_max, world.driver->in_flight());
                                 if (++answered == count) world.wake();
                             });
    }
    EXPECT_EQ(world.driver->in_flight(), mta::limits::dns_in_flight_max / 2) << "unknown names";
    world.run_until([&] { return answered == count; });
    EXPECT_EQ(found, count);
    EXPECT_LE(in_flight_max, mta::limits::dns_in_flight_max);
}

// A dead, a refusing and a failing server come before a good one.
TEST_F(DnsServers, a_good_server_behind_bad_ones_is_enough) {
    const auto& servers = Servers::get();
    world.start({.servers = {{mta::IpAddress::v4({127, 0, 0, 1}), 1},
                             servers.resolver(),
                             servers.authority()},
                 .timeout = 10s});
    // The resolver refuses this name; the authoritative server denies it.
    world.ask("refused.test");
    world.run_until_answered();
    world.ask("them.example");
    world.run_until_answered();
    EXPECT_FALSE(world.answers[0].records.error().is_temporary())
        << world.answers[0].records.error().text;
    EXPECT_TRUE(world.answers[1].records);
}

}  // namespace
}  // namespace dns
