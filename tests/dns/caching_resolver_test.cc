#include "dns/caching_resolver.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace dns {
namespace {
using namespace std::chrono_literals;
using Kind = LookupError::Kind;

Answer mx_records(const std::string& exchange, mta::Millis ttl = 60s) {
    return {MxRecords{{10, exchange}}, ttl};
}
Answer addresses(const std::string& text, mta::Millis ttl = 60s) {
    return {Addresses{*mta::IpAddress::parse(text)}, ttl};
}
Answer error(Kind kind, mta::Millis ttl = 0s) {
    return {std::unexpected(LookupError{kind, "why"}), ttl};
}

// A network that answers when the test says so, and a clock that the test moves.
class CachingResolverTest : public testing::Test {
protected:
    struct Asked {
        Question question;
        Effort effort;
        CachingResolver::OnAnswer on_answer;
        CachingResolver::OnCutShort on_cut_short;
    };

    explicit CachingResolverTest(CachingResolver::Limits limits = {}) {
        resolver = std::make_unique<CachingResolver>(
            CachingResolver::World{
                .ask =
                    [this](const Question& question, Effort effort,
                           CachingResolver::OnAnswer on_answer,
                           CachingResolver::OnCutShort on_cut_short) {
                        asked.push_back(
                            {question, effort, std::move(on_answer), std::move(on_cut_short)});
                    },
                .now = [this] { return now; },
                .defer = [this](auto work) { deferred.push_back(std::move(work)); },
                .find_in_hosts_file =
                    [this](const std::string& name) {
                        return name == "exchange.lan" ? in_hosts_file
                                                      : std::vector<mta::IpAddress>();
                    },
                .on_broken_records =
                    [this](const Answer& answer) { broken.push_back(answer.dropped_words); }},
            limits);
    }

    void run_deferred() {
        while (!deferred.empty()) {
            auto work = std::move(deferred.front());
            deferred.pop_front();
            work();
        }
    }
    void answer(const Question& question, Answer with) {
        for (auto at = asked.begin(); at != asked.end(); ++at) {
            if (at->question != question) continue;
            auto on_answer = std::move(at->on_answer);
            asked.erase(at);
            return on_answer(std::move(with));
        }
        FAIL() << "no question was asked for " << to_string(question);
    }
    void look_up_mx(const std::string& domain, Freshness freshness = Freshness::cached) {
        resolver->look_up_mx(domain, freshness, [this](const auto& found) { mx.push_back(found); });
    }
    void look_up_addresses(const std::string& host, Freshness freshness = Freshness::cached) {
        resolver->look_up_addresses(host, HostOf::mx, freshness,
                                    [this](const auto& found) { hosts.push_back(found); });
    }

    const Question them{"them.example", RecordType::mx};
    const Question mx1_a{"mx1.example", RecordType::a};
    const Question mx1_aaaa{"mx1.example", RecordType::aaaa};
    mta::Instant now{1000s};
    std::vector<Asked> asked;
    std::deque<std::move_only_function<void()>> deferred;
    std::unique_ptr<CachingResolver> resolver;
    std::vector<mta::IpAddress> in_hosts_file = {*mta::IpAddress::parse("192.0.2.9")};
    std::vector<std::string> broken;
    std::vector<Lookup<MxAnswer>> mx;
    std::vector<Lookup<AddressAnswer>> hosts;
};

TEST_F(CachingResolverTest, asks_once_for_all_callers) {
    for (int i = 0; i < 3; ++i) look_up_mx("them.example");
    EXPECT_EQ(asked.size(), 1u);
    EXPECT_EQ(resolver->waiting(), 3u);
    answer(them, mx_records("mx1.example"));
    ASSERT_EQ(mx.size(), 3u);
    for (const auto& found : mx) EXPECT_EQ(found->records[0].exchange, "mx1.example");
    EXPECT_EQ(resolver->waiting(), 0u);
}

TEST_F(CachingResolverTest, asks_again_only_when_the_answer_is_too_old) {
    look_up_mx("them.example");
    answer(them, mx_records("mx1.example", 60s));
    now += 59s;
    look_up_mx("them.example");
    run_deferred();
    ASSERT_EQ(mx.size(), 2u);
    EXPECT_EQ(mx[0]->ttl, 60s);
    EXPECT_EQ(mx[1]->ttl, 1s);
    EXPECT_TRUE(asked.empty());
    now += 1s;
    look_up_mx("them.example");
    EXPECT_EQ(asked.size(), 1u);
}

// An attempt that found no free connection after a long look-up uses the answer later.
TEST_F(CachingResolverTest, keeps_what_was_slow_to_come_until_the_attempt_has_its_turn) {
    look_up_addresses("mx1.example");
    now += 500ms;
    look_up_addresses("mx1.example");
    now += 1s;
    answer(mx1_aaaa, error(Kind::no_data));
    answer(mx1_a, addresses("192.0.2.1", 0s));
    ASSERT_EQ(hosts.size(), 2u);
    EXPECT_EQ(hosts[0]->ttl, 90s);
    now += 90s - 1ms;
    look_up_addresses("mx1.example");
    EXPECT_TRUE(asked.empty());
    run_deferred();
    ASSERT_EQ(hosts.size(), 3u);
    EXPECT_TRUE(hosts[2].has_value());
    now += 1ms;
    look_up_addresses("mx1.example");
    EXPECT_EQ(asked.size(), 2u);
}

// All of the time counts, also that in line and that for aliases.
TEST_F(CachingResolverTest, keeps_what_was_slow_to_come_by_way_of_an_alias) {
    look_up_mx("them.example");
    now += 400ms;
    auto alias = error(Kind::server_failure);
    alias.alias = Alias{"there.example", 0s};
    answer(them, alias);
    now += 400ms;
    answer({"there.example", RecordType::mx}, mx_records("mx1.example", 0s));
    ASSERT_EQ(mx.size(), 1u);
    EXPECT_EQ((*mx[0]).ttl, 48s);
}

TEST_F(CachingResolverTest, counts_what_was_wanted_asked_and_in_vain) {
    look_up_mx("them.example");
    look_up_mx("them.example");
    answer(them, mx_records("mx1.example"));
    look_up_mx("them.example");
    run_deferred();
    look_up_addresses("mx1.example");
    answer(mx1_a, error(Kind::timed_out));
    answer(mx1_aaaa, error(Kind::no_data, 60s));
    const auto& counted = resolver->statistics();
    EXPECT_EQ(counted.look_ups, 5u);
    EXPECT_EQ(counted.cache_hits, 1u);
    EXPECT_EQ(counted.queries, 3u);
    EXPECT_EQ(counted.failures, 1u) << "that there is nothing is an answer";
}

TEST_F(CachingResolverTest, never_answers_inside_the_call) {
    look_up_mx("them.example");
    answer(them, mx_records("mx1.example"));
    mx.clear();
    look_up_mx("them.example");
    look_up_mx("not a domain");
    EXPECT_TRUE(mx.empty());
    run_deferred();
    EXPECT_EQ(mx.size(), 2u);
}

TEST_F(CachingResolverTest, remembers_a_no_and_a_failure) {
    look_up_mx("them.example");
    answer(them, error(Kind::no_such_domain, 60s));
    look_up_mx("them.example");
    run_deferred();
    EXPECT_TRUE(asked.empty());
    EXPECT_EQ(mx.at(1).error().kind, Kind::no_such_domain);

    const Question slow{"slow.example", RecordType::mx};
    look_up_mx("slow.example");
    answer(slow, error(Kind::server_failure));
    now += 29s;
    look_up_mx("slow.example");
    run_deferred();
    EXPECT_TRUE(asked.empty());
    now += 1s;
    look_up_mx("slow.example");
    EXPECT_EQ(asked.size(), 1u);
}

TEST_F(CachingResolverTest, a_retry_does_not_believe_a_remembered_failure) {
    for (const auto kind :
         {Kind::server_failure, Kind::refused, Kind::timed_out, Kind::malformed}) {
        now += 60s;
        look_up_mx("them.example");
        answer(them, error(kind));
        now += retry_pause - 1ms;
        look_up_mx("them.example", Freshness::retry);
        run_deferred();
        EXPECT_TRUE(asked.empty()) << "a thousand retries at once are not a thousand questions";
        now += 1ms;
        look_up_mx("them.example", Freshness::retry);
        look_up_mx("them.example", Freshness::retry);
        ASSERT_EQ(asked.size(), 1u);
        answer(them, error(kind));
    }
}

TEST_F(CachingResolverTest, a_retry_believes_a_no_and_records) {
    look_up_mx("them.example");
    answer(them, error(Kind::no_such_domain, 60s));
    look_up_addresses("mx1.example");
    answer(mx1_aaaa, error(Kind::no_data, 60s));
    answer(mx1_a, addresses("192.0.2.1"));
    now += 59s;
    look_up_mx("them.example", Freshness::retry);
    look_up_addresses("mx1.example", Freshness::retry);
    EXPECT_TRUE(asked.empty());
}

TEST_F(CachingResolverTest, an_order_asks_whatever_is_remembered) {
    for (const auto& known : {error(Kind::timed_out), error(Kind::no_such_domain, 60s),
                              error(Kind::no_data, 60s), mx_records("mx1.example")}) {
        look_up_mx("them.example");
        answer(them, known);
        look_up_mx("them.example", Freshness::ordered);
        look_up_mx("them.example", Freshness::ordered);
        ASSERT_EQ(asked.size(), 1u) << "it joins what is under way";
        answer(them, mx_records("mx2.example"));
        EXPECT_EQ(mx.back()->records[0].exchange, "mx2.example");
        resolver->forget_answers();
    }
    look_up_addresses("mx1.example");
    answer(mx1_aaaa, error(Kind::no_data, 60s));
    answer(mx1_a, error(Kind::no_data, 60s));
    look_up_addresses("mx1.example", Freshness::ordered);
    EXPECT_EQ(asked.size(), 2u);
}

TEST_F(CachingResolverTest, an_order_that_fails_leaves_valid_records_as_they_were) {
    look_up_mx("them.example");
    answer(them, mx_records("mx1.example", 60s));
    now += 20s;
    look_up_mx("them.example", Freshness::ordered);
    answer(them, error(Kind::server_failure));
    ASSERT_TRUE(mx.back());
    EXPECT_EQ(mx.back()->ttl, 40s);
    look_up_mx("them.example");
    run_deferred();
    ASSERT_TRUE(mx.back());
    look_up_mx("them.example", Freshness::ordered);
    answer(them, error(Kind::no_such_domain, 60s));
    EXPECT_FALSE(mx.back()) << "a no is an answer";
}

Answer cname(const std::string& target, mta::Millis ttl = 60s) {
    auto answer = error(Kind::server_failure);
    answer.alias = Alias{target, ttl};
    return answer;
}

TEST_F(CachingResolverTest, asks_for_the_target_of_a_cname_that_comes_alone) {
    const Question target{"target.example", RecordType::mx};
    look_up_mx("them.example");
    answer(them, cname("target.example", 20s));
    EXPECT_TRUE(mx.empty());
    answer(target, mx_records("mx1.example", 60s));
    ASSERT_EQ(mx.size(), 1u);
    ASSERT_TRUE(mx[0]);
    EXPECT_EQ(mx[0]->records[0].exchange, "mx1.example");
    EXPECT_EQ(mx[0]->ttl, 20s);
    look_up_mx("them.example");
    EXPECT_TRUE(asked.empty()) << "it is remembered by the name that was asked for";

    look_up_addresses("mx1.example");
    answer(mx1_aaaa, error(Kind::no_data, 60s));
    answer(mx1_a, cname("host.example"));
    answer({"host.example", RecordType::a}, addresses("192.0.2.1"));
    ASSERT_EQ(hosts.size(), 1u);
    EXPECT_TRUE(hosts[0]);
}

TEST_F(CachingResolverTest, a_no_about_the_target_of_a_cname_is_a_no) {
    look_up_mx("them.example");
    answer(them, cname("target.example"));
    answer({"target.example", RecordType::mx}, error(Kind::no_data, 60s));
    ASSERT_EQ(mx.size(), 1u);
    EXPECT_EQ(mx[0].error().kind, Kind::no_data);
}

TEST_F(CachingResolverTest, cnames_without_end_are_followed_so_far_and_the_mail_waits) {
    look_up_mx("them.example");
    answer(them, cname("them.example"));
    for (std::uint32_t i = 1; i <= mta::limits::cname_chain_max; ++i) {
        ASSERT_EQ(asked.size(), 1u);
        answer(them, cname("them.example"));
    }
    EXPECT_TRUE(asked.empty());
    ASSERT_EQ(mx.size(), 1u);
    EXPECT_TRUE(mx[0].error().is_temporary());

    look_up_mx("us.example");
    answer({"us.example", RecordType::mx}, cname("no host name.example"));
    ASSERT_EQ(mx.size(), 2u);
    EXPECT_TRUE(mx[1].error().is_temporary());
}

TEST_F(CachingResolverTest, reports_broken_records) {
    look_up_mx("them.example");
    auto with_broken = mx_records("mx1.example");
    with_broken.dropped = 2;
    with_broken.dropped_words = "a broken MX record";
    answer(them, with_broken);
    look_up_mx("them.example");
    run_deferred();
    EXPECT_EQ(mx.size(), 2u);
    EXPECT_EQ(broken, std::vector<std::string>{"a broken MX record"}) << "once for each answer";
}

TEST_F(CachingResolverTest, one_name_is_the_same_in_any_spelling) {
    look_up_mx("them.example");
    look_up_mx("THEM.Example.");
    EXPECT_EQ(asked.size(), 1u);
}

TEST_F(CachingResolverTest, what_is_no_domain_is_not_asked_for) {
    for (const char* name : {"", ".", "a..b", "-x.example", "two words.example"}) {
        look_up_mx(name);
        run_deferred();
        ASSERT_FALSE(mx.empty());
        EXPECT_EQ(mx.back().error().kind, Kind::no_such_domain) << name;
    }
    EXPECT_TRUE(asked.empty());
}

TEST_F(CachingResolverTest, a_callback_may_ask_the_same_again) {
    resolver->look_up_mx("them.example", Freshness::cached,
                         [this](const auto&) { look_up_mx("them.example"); });
    answer(them, error(Kind::unreachable));  // is not kept
    ASSERT_EQ(asked.size(), 1u);
    answer(them, mx_records("mx1.example"));
    EXPECT_EQ(mx.size(), 1u);
}

TEST_F(CachingResolverTest, says_nothing_after_its_end) {
    look_up_mx("them.example");
    look_up_addresses("mx1.example");
    look_up_mx("no domain");
    resolver.reset();
    while (!asked.empty()) answer(asked.front().question, error(Kind::timed_out));
    run_deferred();
    EXPECT_TRUE(mx.empty());
    EXPECT_TRUE(hosts.empty());
}

TEST_F(CachingResolverTest, forgets_on_request) {
    look_up_mx("them.example");
    answer(them, mx_records("mx1.example"));
    EXPECT_EQ(resolver->cached(), 1u);
    resolver->forget_answers();
    look_up_mx("them.example");
    EXPECT_EQ(asked.size(), 1u);
}

TEST_F(CachingResolverTest, the_hosts_file_is_asked_for_hosts_of_routes_only) {
    const auto keep = [this](const auto& found) { hosts.push_back(found); };
    resolver->look_up_addresses("exchange.lan", HostOf::route, Freshness::cached, keep);
    EXPECT_TRUE(hosts.empty()) << "never inside the call";
    run_deferred();
    ASSERT_EQ(hosts.size(), 1u);
    EXPECT_EQ(hosts[0]->addresses, in_hosts_file);
    EXPECT_TRUE(asked.empty());
    resolver->look_up_addresses("exchange.lan", HostOf::mx, Freshness::cached, keep);
    EXPECT_EQ(asked.size(), 2u);
    in_hosts_file.clear();
    resolver->look_up_addresses("exchange.lan", HostOf::route, Freshness::cached, keep);
    EXPECT_EQ(hosts.size(), 1u) << "what is not in the file is asked for in the DNS";
    EXPECT_EQ(resolver->waiting(), 4u);
}

TEST_F(CachingResolverTest, waits_for_both_families) {
    look_up_addresses("mx1.example");
    answer(mx1_a, addresses("192.0.2.1", 30s));
    EXPECT_TRUE(hosts.empty());
    answer(mx1_aaaa, addresses("2001:db8::1", 60s));
    ASSERT_EQ(hosts.size(), 1u);
    ASSERT_TRUE(hosts[0]);
    EXPECT_EQ(hosts[0]->addresses[0].to_string(), "2001:db8::1");
    EXPECT_EQ(hosts[0]->addresses[1].to_string(), "192.0.2.1");
    EXPECT_EQ(hosts[0]->ttl, 30s);
}

class CachingResolverLimit : public CachingResolverTest {
protected:
    CachingResolverLimit() : CachingResolverTest({.cache_entries_max = 2, .waiting_max = 3}) {}
};

TEST_F(CachingResolverLimit, hosts_for_which_a_delivery_waits_have_room_when_domains_have_none) {
    for (int i = 0; i < 4; ++i) look_up_mx("d" + std::to_string(i) + ".example");
    look_up_addresses("mx1.example");
    run_deferred();
    EXPECT_EQ(mx.size(), 1u) << "overloaded";
    EXPECT_TRUE(hosts.empty());
    answer(mx1_aaaa, error(Kind::no_data, 60s));
    answer(mx1_a, addresses("192.0.2.1"));
    EXPECT_EQ(hosts.size(), 1u);
}

TEST_F(CachingResolverLimit, answers_overloaded_when_too_many_wait) {
    for (int i = 0; i < 4; ++i) look_up_mx("them.example");
    run_deferred();
    ASSERT_EQ(mx.size(), 1u);
    EXPECT_EQ(mx[0].error().kind, Kind::overloaded);
    EXPECT_TRUE(mx[0].error().is_temporary());
    answer(them, mx_records("mx1.example"));
    EXPECT_EQ(mx.size(), 4u);
    look_up_mx("us.example");  // there is room again
    EXPECT_EQ(asked.size(), 1u);
}

class CachingResolverLines : public CachingResolverTest {
protected:
    CachingResolverLines() : CachingResolverTest({.in_flight_max = 1}) {}
    const Question us{"us.example", RecordType::mx};
};

TEST_F(CachingResolverLines, a_question_that_goes_on_over_tcp_leaves_its_place_to_the_next) {
    look_up_mx("them.example");
    look_up_mx("us.example");
    ASSERT_EQ(asked.size(), 1u);
    asked.front().on_cut_short();
    ASSERT_EQ(asked.size(), 2u);
    asked.front().on_cut_short();  // the second server cuts its answer short, too
    look_up_mx("others.example");
    EXPECT_EQ(asked.size(), 2u) << "its place is taken";
    answer(them, error(Kind::timed_out));
    EXPECT_EQ(asked.size(), 1u);
    answer(us, mx_records("mx1.example"));
    EXPECT_EQ(mx.size(), 2u);
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked.front().question.name, "others.example");
}

struct JoinCase {
    std::string name;
    Answer aaaa;
    Answer a;
    std::optional<Kind> want_error;
};
std::ostream& operator<<(std::ostream& out, const JoinCase& row) { return out << row.name; }

const JoinCase join_cases[] = {
    {"both", addresses("2001:db8::1"), addresses("192.0.2.1"), {}},
    {"only_v4", error(Kind::no_data), addresses("192.0.2.1"), {}},
    {"only_v6", addresses("2001:db8::1"), error(Kind::no_data), {}},
    {"v4_while_v6_fails", error(Kind::server_failure), addresses("192.0.2.1"), {}},
    {"v6_while_v4_times_out", addresses("2001:db8::1"), error(Kind::timed_out), {}},
    {"neither_exists", error(Kind::no_such_domain), error(Kind::no_such_domain),
     Kind::no_such_domain},
    {"neither_has_data", error(Kind::no_data), error(Kind::no_data), Kind::no_data},
    {"nxdomain_says_more_than_no_data", error(Kind::no_data), error(Kind::no_such_domain),
     Kind::no_such_domain},
    {"a_passing_trouble_of_v6_never_looks_like_no_address", error(Kind::server_failure),
     error(Kind::no_data), Kind::server_failure},
    {"a_passing_trouble_of_v4_never_looks_like_no_address", error(Kind::no_such_domain),
     error(Kind::timed_out), Kind::timed_out},
    {"what_was_not_asked_has_not_failed", error(Kind::timed_out), error(Kind::overloaded),
     Kind::overloaded},
};

class JoinTable : public testing::TestWithParam<JoinCase> {};

TEST_P(JoinTable, joins) {
    const auto& row = GetParam();
    const auto joined = join_addresses(row.aaaa, row.a);
    EXPECT_EQ(joined.has_value(), !row.want_error);
    if (!joined && row.want_error) {
        EXPECT_EQ(joined.error().kind, *row.want_error);
    }
    if (joined) {
        EXPECT_EQ(joined->ttl, 60s);
    }
}

INSTANTIATE_TEST_SUITE_P(, JoinTable, testing::ValuesIn(join_cases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace dns
