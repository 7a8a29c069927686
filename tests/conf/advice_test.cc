#include "conf/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conf/loader.h"

namespace conf {
namespace {

struct AdviceCase {
    const char* name;
    const char* text;
    std::vector<const char*> want;  // a part of each expected sentence, in order
};

constexpr const char* open_relay = "(an open relay)";
constexpr const char* circle = "would go round in a circle";

const AdviceCase advice_cases[] = {
    {"nothing", "", {}},
    {"open_to_all_of_ipv4",
     "[[listener]]\naddress = \"0.0.0.0:25\"\n[relay]\nnetworks = [\"0.0.0.0/0\"]\n",
     {open_relay}},
    {"open_to_half_of_it",
     "[[listener]]\naddress = \"0.0.0.0:25\"\n[relay]\nnetworks = [\"0.0.0.0/1\"]\n",
     {open_relay}},
    {"open_to_all_of_ipv6",
     "[[listener]]\naddress = \"[::]:25\"\n[relay]\nnetworks = [\"::/0\"]\n",
     {open_relay}},
    {"open_on_one_address_that_is_not_loopback",
     "[[listener]]\naddress = \"192.0.2.1:25\"\n[relay]\nnetworks = [\"0.0.0.0/0\"]\n",
     {open_relay}},
    {"open_but_on_loopback_only",
     "[[listener]]\naddress = \"127.0.0.1:25\"\n[[listener]]\naddress = \"[::1]:25\"\n[relay]\n"
     "networks = [\"0.0.0.0/0\"]\n",
     {}},
    {"sources_that_are_there",
     "[[source]]\nname = \"a\"\naddress = [\"127.0.0.9\"]\nsenders = [\"*\"]\n",
     {}},
    {"a_source_that_is_not_there",
     "[[source]]\nname = \"a\"\naddress = [\"192.0.2.77\", \"2001:db8::77\"]\nsenders = [\"*\"]\n",
     {"192.0.2.77, which this machine does not have", "2001:db8::77, which this machine"}},
    {"a_source_that_nobody_uses",
     "[[source]]\nname = \"a\"\naddress = [\"127.0.0.9\"]\n",
     {"is never used"}},
    {"an_office",
     "[[listener]]\naddress = \"0.0.0.0:25\"\n[relay]\nnetworks = [\"10.0.0.0/8\", \"fd00::/8\"]\n",
     {}},
    {"nobody_may_send",
     "[[listener]]\naddress = \"0.0.0.0:25\"\n[relay]\nnetworks = []\n",
     {"nobody may send"}},
    {"name_without_a_dot", "hostname = \"mail\"\n", {"hostname is \"mail\""}},
    {"name_localhost", "hostname = \"localhost.localdomain\"\n", {"hostname is \"localhost"}},
    {"route_to_itself_by_name",
     "[[route]]\ndomain = \"*\"\nhosts = [\"mail.office.example\"]\n",
     {circle}},
    {"route_to_itself_by_address",
     "[[listener]]\naddress = \"192.0.2.1:25\"\n[[route]]\ndomain = \"*\"\nhosts = "
     "[\"192.0.2.1\"]\n",
     {circle}},
    {"route_to_itself_by_loopback",
     "[[listener]]\naddress = \"0.0.0.0:25\"\n[[route]]\ndomain = \"*\"\nhosts = [\"127.0.0.1\"]\n",
     {circle}},
    {"route_to_another_port_here",
     "[[route]]\ndomain = \"*\"\nhosts = [\"127.0.0.1:2525\", \"mail.office.example:2525\"]\n",
     {}},
    {"domain_without_a_route", "[relay]\ndomains = [\"office.example\"]\n", {"goes by MX"}},
    {"domains_with_routes",
     "[relay]\ndomains = [\"a.example\", \"b.c.example\", \".d.example\", \"x.d.example\"]\n"
     "[[route]]\ndomain = \"a.example\"\nhosts = [\"x.example\"]\n"
     "[[route]]\ndomain = \".c.example\"\nhosts = [\"x.example\"]\n"
     "[[route]]\ndomain = \".d.example\"\nhosts = [\"x.example\"]\n",
     {}},
    {"domain_with_the_route_of_its_subtree",
     "[relay]\ndomains = [\"c.example\"]\n[[route]]\ndomain = \".c.example\"\nhosts = "
     "[\"x.example\"]\n",
     {"goes by MX"}},
    {"domain_with_the_route_for_all",
     "[relay]\ndomains = [\"c.example\"]\n[[route]]\ndomain = \"*\"\nhosts = [\"x.example\"]\n",
     {}},
    {"notice_after_the_end",
     "[retry]\nlifetime = \"4h\"\ndelay_notices = [\"1h\", \"4h\"]\n",
     {"that notice is never sent"}},
    {"a_life_that_is_too_short_for_the_hours",
     "[[route]]\ndomain = \"a.example\"\nhosts = [\"x.example\"]\nlifetime = \"1d\"\n"
     "deliver_between = \"22:00-06:00\"\n[[route]]\ndomain = \"b.example\"\nhosts = "
     "[\"x.example\"]\ndeliver_between = [\"22:00-06:00\"]\n",
     {"its mail lives for 1d"}},
    {"waits_beyond_the_longest", "[retry]\nmax_interval = \"10m\"\n", {"which cuts it"}},
};

class AdviceTable : public testing::TestWithParam<AdviceCase> {};

TEST_P(AdviceTable, is_given) {
    const auto settings = parse(GetParam().text, {"posthouse.toml", "mail.office.example"});
    ASSERT_TRUE(settings) << to_string(settings.error());
    const auto all = advice(*settings);
    ASSERT_EQ(all.size(), GetParam().want.size()) << testing::PrintToString(all);
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_THAT(all[i], testing::HasSubstr(GetParam().want[i]));
    }
}

INSTANTIATE_TEST_SUITE_P(, AdviceTable, testing::ValuesIn(advice_cases),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace conf
