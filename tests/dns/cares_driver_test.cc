#include "dns/cares_driver.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dns/driver_world.h"
#include "tests/dns/fake_name_server.h"
#include "tests/dns/message_builder.h"

namespace dns {
namespace {
using namespace std::chrono_literals;
using test::DriverWorld;
using test::FakeNameServer;
using test::MessageBuilder;
using test::Section;
using Kind = LookupError::Kind;
using Query = FakeNameServer::Query;
using OnQuery = FakeNameServer::OnQuery;

MessageBuilder reply_to(const Query& query) {
    return std::move(MessageBuilder(query.question).id(query.id));
}
void answer_well(const FakeNameServer& server, const Query& query) {
    server.send(query, reply_to(query).mx(query.question.name, 10, "mx.example").build());
}
OnQuery answers_well() {
    return [](FakeNameServer& server, const Query& query) { answer_well(server, query); };
}
OnQuery answers_rcode(unsigned rcode) {
    return [rcode](FakeNameServer& server, const Query& query) {
        server.send(query, reply_to(query).rcode(rcode).build());
    };
}
OnQuery answers_bytes(std::function<std::string(const Query&)> make) {
    return [make = std::move(make)](FakeNameServer& server, const Query& query) {
        server.send(query, make(query));
    };
}
OnQuery says_nothing() {
    return [](FakeNameServer&, const Query&) {};
}

// Long timeouts: on a busy machine, a question that is answered must not time out.
CaresOptions asking(std::vector<mta::Endpoint> servers) {
    return {.servers = std::move(servers), .timeout = 15s, .tries = 2};
}
// For servers that do not answer.
CaresOptions asking_impatiently(std::vector<mta::Endpoint> servers) {
    return {.servers = std::move(servers), .timeout = 250ms, .tries = 2};
}

// A port of this machine on which no program listens.
mta::Endpoint closed_port() {
    mta::io::Loop loop;
    return FakeNameServer(loop, says_nothing()).endpoint();
}

// ---- What name servers do wrong ----

struct MisbehaviourCase {
    std::string name;
    std::function<OnQuery()> behaviour;
    Kind want;
    std::size_t want_queries;  // to this server, if it is the only one
};
std::ostream& operator<<(std::ostream& out, const MisbehaviourCase& row) { return out << row.name; }

const MisbehaviourCase misbehaviours[] = {
    {"servfail", [] { return answers_rcode(2); }, Kind::server_failure, 1},
    {"refused_with_and_without_edns", [] { return answers_rcode(5); }, Kind::refused, 2},
    {"formerr_with_and_without_edns", [] { return answers_rcode(1); }, Kind::server_failure, 3},
    {"notimp", [] { return answers_rcode(4); }, Kind::server_failure, 2},
    {"silence", [] { return says_nothing(); }, Kind::timed_out, 2},
    {"wrong_id",
     [] {
         return answers_bytes([](const Query& query) {
             return reply_to(query).id(query.id ^ 1).mx(query.question.name, 1, "evil").build();
         });
     },
     Kind::timed_out, 2},
    {"wrong_question",
     [] {
         return answers_bytes([](const Query& query) {
             return MessageBuilder({"other.example", RecordType::mx})
                 .id(query.id)
                 .mx("other.example", 1, "evil")
                 .build();
         });
     },
     Kind::timed_out, 2},
    {"garbage_behind_a_good_question",
     [] {
         return answers_bytes([](const Query& query) {
             return reply_to(query).more(Section::answer, 3).raw("\xc0\xff garbage").build();
         });
     },
     Kind::malformed, 1},
    {"records_of_somebody_else",
     [] {
         return answers_bytes([](const Query& query) {
             return reply_to(query).mx("evil.example", 1, "evil.example").build();
         });
     },
     Kind::no_data, 1},
    {"a_referral",
     [] {
         return answers_bytes([](const Query& query) {
             return reply_to(query).ns("example", "ns.example").build();
         });
     },
     Kind::server_failure, 1},
};

class MisbehaviourTable : public testing::TestWithParam<MisbehaviourCase> {};

TEST_P(MisbehaviourTable, of_the_only_server_is_reported) {
    DriverWorld world;
    FakeNameServer server(world.loop, GetParam().behaviour());
    world.start(GetParam().want == Kind::timed_out ? asking_impatiently({server.endpoint()})
                                                   : asking({server.endpoint()}));
    world.ask("them.example");
    world.run_until_answered();
    ASSERT_FALSE(world.answers[0].records);
    const auto& error = world.answers[0].records.error();
    EXPECT_EQ(error.kind, GetParam().want) << error.text;
    EXPECT_THAT(error.text, testing::HasSubstr(to_string(server.endpoint())));
    EXPECT_THAT(error.text, testing::HasSubstr("them.example MX"));
    EXPECT_EQ(server.queries().size(), GetParam().want_queries);
}

TEST_P(MisbehaviourTable, of_the_first_server_is_made_good_by_the_second) {
    DriverWorld world;
    FakeNameServer bad(world.loop, GetParam().behaviour());
    FakeNameServer good(world.loop, answers_well());
    const std::vector both{bad.endpoint(), good.endpoint()};
    world.start(GetParam().want == Kind::timed_out ? asking_impatiently(both) : asking(both));
    world.ask("them.example");
    world.run_until_answered();
    if (GetParam().want == Kind::no_data) {
        // The driver cannot see that this is an error of the server.
        EXPECT_FALSE(world.answers[0].records);
        return;
    }
    ASSERT_TRUE(world.answers[0].records) << world.answers[0].records.error().text;
    EXPECT_EQ(std::get<MxRecords>(*world.answers[0].records)[0].exchange, "mx.example");
}

INSTANTIATE_TEST_SUITE_P(, MisbehaviourTable, testing::ValuesIn(misbehaviours),
                         [](const auto& test) { return test.param.name; });

// An empty datagram once made c-ares give up all questions on their way (CVE-2023-32067).
TEST(CaresDriver, an_empty_datagram_is_no_answer_and_does_no_harm) {
    DriverWorld world;
    FakeNameServer server(world.loop, [](FakeNameServer& self, const Query& query) {
        if (self.queries().size() == 1) {
            self.send(query, "");
        } else {
            answer_well(self, query);
        }
    });
    world.start(asking_impatiently({server.endpoint()}));
    world.ask("them.example");
    world.run_until_answered();
    EXPECT_TRUE(world.answers[0].records || world.answers[0].records.error().is_temporary());
    world.ask("them.example");
    world.run_until_answered();
    EXPECT_TRUE(world.answers[1].records) << world.answers[1].records.error().text;
}

TEST(CaresDriver, an_answer_that_comes_too_late_answers_nothing_else) {
    DriverWorld world;
    std::optional<Query> first;
    FakeNameServer server(world.loop, [&](FakeNameServer& self, const Query& query) {
        if (!first) first = query;
        if (query.question.name == "fast.example") {
            self.send(*first, reply_to(*first).mx("slow.example", 1, "late.example").build());
            answer_well(self, query);
        }
    });
    auto options = asking_impatiently({server.endpoint()});
    options.tries = 1;
    world.start(options);
    world.ask("slow.example");
    world.run_until_answered();
    EXPECT_EQ(world.answers[0].records.error().kind, Kind::timed_out);
    world.ask("fast.example");
    world.run_until_answered();
    ASSERT_TRUE(world.answers[1].records);
    EXPECT_EQ(std::get<MxRecords>(*world.answers[1].records)[0].exchange, "mx.example");
}

// ---- Which server is asked ----

TEST(CaresDriver, a_no_is_an_answer_and_the_next_server_is_not_asked) {
    DriverWorld world;
    FakeNameServer first(world.loop, answers_rcode(3));
    FakeNameServer second(world.loop, answers_well());
    world.start(asking({first.endpoint(), second.endpoint()}));
    world.ask("them.example");
    world.run_until_answered();
    EXPECT_EQ(world.answers[0].records.error().kind, Kind::no_such_domain);
    EXPECT_TRUE(second.queries().empty());
}

TEST(CaresDriver, a_closed_port_is_found_out_at_once_and_left_aside) {
    DriverWorld world;
    FakeNameServer good(world.loop, answers_well());
    world.start(asking({closed_port(), good.endpoint()}));
    world.ask("first.example");
    world.run_until_answered();
    for (int i = 0; i < 5; ++i) world.ask("d" + std::to_string(i) + ".example");
    world.run_until_answered();
    for (const auto& answer : world.answers) EXPECT_TRUE(answer.records);
}

TEST(CaresDriver, without_any_server_the_answer_is_unreachable) {
    DriverWorld world;
    world.start(asking({closed_port()}));
    world.ask("them.example");
    world.run_until_answered();
    EXPECT_EQ(world.answers[0].records.error().kind, Kind::unreachable);
}

TEST(CaresDriver, a_silent_server_is_asked_last_after_a_while) {
    DriverWorld world;
    FakeNameServer silent(world.loop, says_nothing());
    FakeNameServer good(world.loop, answers_well());
    world.start(asking_impatiently({silent.endpoint(), good.endpoint()}));
    for (int i = 0; i < 3; ++i) world.ask("d" + std::to_string(i) + ".example");
    world.run_until_answered();
    EXPECT_EQ(silent.queries().size(), 3u);
    for (int i = 0; i < 10; ++i) world.ask("e" + std::to_string(i) + ".example");
    world.run_until_answered();
    EXPECT_EQ(silent.queries().size(), 3u);
    EXPECT_EQ(good.queries().size(), 13u);
}

TEST(CaresDriver, the_error_of_the_last_server_is_the_answer) {
    DriverWorld world;
    FakeNameServer first(world.loop, answers_rcode(2));
    FakeNameServer second(world.loop, answers_rcode(5));
    world.start(asking({first.endpoint(), second.endpoint()}));
    world.ask("them.example");
    world.run_until_answered();
    EXPECT_EQ(world.answers[0].records.error().kind, Kind::refused);
    EXPECT_EQ(first.queries().size(), 1u);
    EXPECT_EQ(second.queries().size(), 2u) << "with EDNS and without";
}

// ---- EDNS ----

TEST(CaresDriver, a_server_without_edns_is_asked_again_without) {
    DriverWorld world;
    FakeNameServer old_server(world.loop, [](FakeNameServer& self, const Query& query) {
        if (query.has_edns) {
            self.send(query, reply_to(query).rcode(1).build());
        } else {
            answer_well(self, query);
        }
    });
    world.start(asking({old_server.endpoint()}));
    for (int i = 0; i < 80; ++i) world.ask("d" + std::to_string(i) + ".example");
    world.run_until_answered();
    for (const auto& answer : world.answers) EXPECT_TRUE(answer.records);
}

TEST(CaresDriver, a_server_that_refuses_edns_is_soon_asked_without_at_once) {
    DriverWorld world;
    FakeNameServer old_server(world.loop, [](FakeNameServer& self, const Query& query) {
        if (query.has_edns) {
            self.send(query, reply_to(query).rcode(5).build());
        } else {
            answer_well(self, query);
        }
    });
    world.start(asking({old_server.endpoint()}));
    for (int i = 0; i < 5; ++i) {
        world.ask("d" + std::to_string(i) + ".example");
        world.run_until_answered();
        EXPECT_TRUE(world.answers.back().records);
    }
    std::vector<bool> has_edns;
    for (const auto& query : old_server.queries()) has_edns.push_back(query.has_edns);
    EXPECT_EQ(has_edns, (std::vector{true, false, true, false, true, false, false, false}));
}

TEST(CaresDriver, a_server_that_knows_edns_is_believed_when_it_refuses) {
    DriverWorld world;
    FakeNameServer server(world.loop, [](FakeNameServer& self, const Query& query) {
        if (query.question.name == "refused.example") {
            self.send(query, reply_to(query).rcode(5).build());
        } else {
            answer_well(self, query);
        }
    });
    world.start(asking({server.endpoint()}));
    for (const auto* name : {"them.example", "refused.example"}) {
        world.ask(name);
        world.run_until_answered();
    }
    ASSERT_FALSE(world.answers[1].records);
    EXPECT_EQ(world.answers[1].records.error().kind, Kind::refused);
    EXPECT_EQ(server.queries().size(), 2u);
}

TEST(CaresDriver, one_formerr_does_not_take_edns_away_for_good) {
    DriverWorld world;
    FakeNameServer server(world.loop, [](FakeNameServer& self, const Query& query) {
        if (self.queries().size() == 1) {
            self.send(query, reply_to(query).rcode(1).build());
        } else {
            answer_well(self, query);
        }
    });
    world.start(asking({server.endpoint()}));
    for (int i = 0; i < 3; ++i) {
        world.ask("d" + std::to_string(i) + ".example");
        world.run_until_answered();
        EXPECT_TRUE(world.answers.back().records);
    }
    ASSERT_EQ(server.queries().size(), 4u);
    EXPECT_TRUE(server.queries()[0].has_edns);
    EXPECT_FALSE(server.queries()[1].has_edns);
    EXPECT_TRUE(server.queries()[2].has_edns);
    EXPECT_TRUE(server.queries()[3].has_edns);
}

TEST(CaresDriver, a_brief_question_ends_with_the_first_silence) {
    DriverWorld world;
    FakeNameServer silent(world.loop, says_nothing());
    FakeNameServer other(world.loop, answers_well());
    auto options = asking({silent.endpoint(), other.endpoint()});
    options.brief_timeout = 200ms;
    world.start(options);
    world.ask("them.example", RecordType::mx, Effort::brief);
    world.run_until_answered();
    ASSERT_FALSE(world.answers[0].records);
    EXPECT_EQ(world.answers[0].records.error().kind, Kind::timed_out);
    EXPECT_THAT(world.answers[0].records.error().text, testing::HasSubstr("within 200 ms"));
    EXPECT_EQ(silent.queries().size(), 1u);
    EXPECT_TRUE(other.queries().empty());
}

TEST(CaresDriver, a_brief_question_goes_on_to_the_next_server_after_an_error) {
    DriverWorld world;
    FakeNameServer failing(world.loop, answers_rcode(2));
    FakeNameServer other(world.loop, answers_well());
    auto options = asking({failing.endpoint(), other.endpoint()});
    options.brief_timeout = options.timeout;
    world.start(options);
    world.ask("them.example", RecordType::mx, Effort::brief);
    world.run_until_answered();
    EXPECT_TRUE(world.answers[0].records);
}

// ---- Limits ----

TEST(CaresDriver, never_has_more_on_its_way_than_its_limit_and_serves_in_order) {
    DriverWorld world;
    std::vector<Query> held;
    FakeNameServer server(world.loop, [&](FakeNameServer&, const Query& query) {
        held.push_back(query);
        world.wake();
    });
    auto options = asking({server.endpoint()});
    options.in_flight_max = 5;
    world.start(options);
    for (int i = 0; i < 12; ++i) world.ask("d" + std::to_string(i) + ".example");
    EXPECT_EQ(world.driver->in_flight(), 5u);
    EXPECT_EQ(world.driver->waiting(), 7u);
    std::vector<std::string> order;
    while (order.size() < 12) {
        world.run_until([&] { return held.size() >= std::min<std::size_t>(5, 12 - order.size()); });
        world.settle();
        ASSERT_LE(held.size(), 5u);
        order.push_back(held.front().question.name);
        answer_well(server, held.front());
        held.erase(held.begin());
        world.run_until([&] { return world.answered == order.size(); });
    }
    for (int i = 0; i < 12; ++i) {
        EXPECT_EQ(order[static_cast<std::size_t>(i)], "d" + std::to_string(i) + ".example");
    }
    EXPECT_EQ(world.driver->waiting(), 0u);
}

TEST(CaresDriver, answers_overloaded_when_too_many_wait) {
    DriverWorld world;
    FakeNameServer server(world.loop, answers_well());
    auto options = asking({server.endpoint()});
    options.in_flight_max = 2;
    options.waiting_max = 3;
    world.start(options);
    for (int i = 0; i < 6; ++i) world.ask("d" + std::to_string(i) + ".example");
    EXPECT_EQ(world.answered, 0u);  // even this answer does not come inside the call
    world.run_until_answered();
    for (std::size_t i = 0; i < 5; ++i) EXPECT_TRUE(world.answers[i].records) << i;
    ASSERT_FALSE(world.answers[5].records);
    EXPECT_EQ(world.answers[5].records.error().kind, Kind::overloaded);
}

TEST(CaresDriver, the_usual_limit_is_the_one_that_loses_no_datagrams) {
    EXPECT_EQ(CaresOptions{}.in_flight_max, mta::limits::dns_in_flight_max);
    EXPECT_LE(mta::limits::dns_in_flight_max, 150u);
}

// ---- Life and death ----

TEST(CaresDriver, never_answers_inside_the_call) {
    DriverWorld world;
    world.start(asking({closed_port()}));
    for (const char* name : {"them.example", "hidden.onion"}) {
        world.ask(name);
        EXPECT_EQ(world.answered, 0u) << name;
    }
    world.run_until_answered();
    EXPECT_EQ(world.answers[1].records.error().kind, Kind::no_such_domain);
}

TEST(CaresDriver, what_is_on_its_way_at_the_end_is_never_answered) {
    DriverWorld world;
    FakeNameServer server(world.loop, [&](FakeNameServer& self, const Query& query) {
        answer_well(self, query);
        world.wake();
    });
    auto options = asking({server.endpoint()});
    options.in_flight_max = 3;
    options.waiting_max = 3;
    world.start(options);
    for (int i = 0; i < 10; ++i) world.ask("d" + std::to_string(i) + ".example");
    world.run_until([&] { return !server.queries().empty(); });
    const auto before = world.answered;
    world.driver.reset();
    world.settle();
    EXPECT_EQ(world.answered, before);
}

TEST(CaresDriver, an_answer_may_ask_the_next_question) {
    DriverWorld world;
    FakeNameServer server(world.loop, answers_well());
    auto options = asking({server.endpoint()});
    options.in_flight_max = 1;
    world.start(options);
    int hops = 0;
    std::function<void()> next = [&] {
        world.driver->ask({"d.example", RecordType::mx}, Effort::full, [&](Answer answer) {
            EXPECT_TRUE(answer.records);
            if (++hops < 5) return next();
            world.wake();
        });
    };
    next();
    world.run_until([&] { return hops == 5; });
}

TEST(CaresDriver, is_quiet_when_nothing_is_asked) {
    DriverWorld world;
    FakeNameServer server(world.loop, answers_well());
    world.start(asking({server.endpoint()}));
    world.ask("them.example");
    world.run_until_answered();
    world.driver.reset();
    world.settle();
    SUCCEED() << "the loop's destructor finds every handle closed";
}

// ---- New settings ----

TEST(CaresDriver, new_servers_get_what_waits_and_old_ones_finish_what_they_have) {
    DriverWorld world;
    std::vector<Query> held;
    FakeNameServer old_server(world.loop, [&](FakeNameServer&, const Query& query) {
        held.push_back(query);
        world.wake();
    });
    FakeNameServer new_server(world.loop, answers_well());
    auto options = asking({old_server.endpoint()});
    options.in_flight_max = 1;
    world.start(options);
    world.ask("first.example");
    world.ask("second.example");
    world.run_until([&] { return held.size() == 1; });
    options.servers = {new_server.endpoint()};
    world.driver->reconfigure(options);
    EXPECT_EQ(world.driver->servers(), std::vector{new_server.endpoint()});
    answer_well(old_server, held[0]);
    world.run_until_answered();
    EXPECT_TRUE(world.answers[0].records);
    EXPECT_TRUE(world.answers[1].records);
    EXPECT_EQ(old_server.queries().size(), 1u);
    ASSERT_EQ(new_server.queries().size(), 1u);
    EXPECT_EQ(new_server.queries()[0].question.name, "second.example");
}

TEST(CaresDriver, a_higher_limit_is_used_at_once) {
    DriverWorld world;
    FakeNameServer server(world.loop, says_nothing());
    auto options = asking({server.endpoint()});
    options.in_flight_max = 1;
    world.start(options);
    for (int i = 0; i < 4; ++i) world.ask("d" + std::to_string(i) + ".example");
    options.in_flight_max = 3;
    world.driver->reconfigure(options);
    EXPECT_EQ(world.driver->in_flight(), 3u);
    EXPECT_EQ(world.driver->waiting(), 1u);
}

// c-ares takes no port in that file, so the servers cannot be fakes.
TEST(CaresDriver, reads_the_systems_servers_when_it_is_given_none) {
    char path[] = "/tmp/posthouse-resolv-XXXXXX";
    const int file = mkstemp(path);
    ASSERT_GE(file, 0);
    close(file);
    const auto servers_of = [&](const std::string& text) {
        std::ofstream(path) << text;
        DriverWorld world;
        world.start({.resolv_conf_path = path});
        std::string list;
        for (const auto& server : world.driver->servers()) list += to_string(server) + ' ';
        return list;
    };
    EXPECT_EQ(
        servers_of(
            "search office.example\nnameserver 192.0.2.53\n"
            "nameserver fe80::1\nnameserver fe80::2%lo\nnameserver 2001:db8::53\noptions rotate\n"),
        "192.0.2.53:53 [2001:db8::53]:53 ");
    EXPECT_EQ(servers_of("# none\n"), "127.0.0.1:53 ");
    unlink(path);
    DriverWorld world;
    world.start({.resolv_conf_path = path});
    EXPECT_EQ(to_string(world.driver->servers().at(0)), "127.0.0.1:53");
    std::ofstream(path) << "nameserver 192.0.2.54\n";
    world.driver->reconfigure({.resolv_conf_path = path});
    EXPECT_EQ(to_string(world.driver->servers().at(0)), "192.0.2.54:53");
    unlink(path);
}

}  // namespace
}  // namespace dns
