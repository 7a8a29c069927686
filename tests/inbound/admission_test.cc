#include "mta/inbound/admission.h"

#include <vector>

#include <gtest/gtest.h>

namespace mta::inbound {
namespace {

using Verdict = Admission::Verdict;

conf::Inbound settings(std::uint32_t connections_max, std::uint32_t per_address_max = 0) {
    conf::Inbound settings;
    settings.connections_max = connections_max;
    settings.connections_per_address_max = per_address_max;
    return settings;
}

IpAddress stranger(int network, int host = 1) {
    return *IpAddress::parse("198.51." + std::to_string(network) + '.' + std::to_string(host));
}
IpAddress own(int host) { return *IpAddress::parse("192.168.0." + std::to_string(host)); }

TEST(Admission, keeps_a_tenth_of_all_for_our_own) {
    Admission admission;
    admission.configure(settings(20));
    for (int i = 0; i < 18; ++i) {
        EXPECT_EQ(admission.verdict(stranger(i), false), Verdict::welcome) << i;
        static_cast<void>(admission.enter(stranger(i), false));
    }
    EXPECT_EQ(admission.verdict(stranger(99), false), Verdict::too_many);
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(admission.verdict(own(i), true), Verdict::welcome) << i;
        static_cast<void>(admission.enter(own(i), true));
    }
    EXPECT_EQ(admission.verdict(own(9), true), Verdict::too_many);
    EXPECT_EQ(admission.connections(), 20u);
}

TEST(Admission, gives_half_to_one_network_and_to_one_address_of_ours) {
    Admission admission;
    admission.configure(settings(10));
    for (int i = 0; i < 5; ++i) static_cast<void>(admission.enter(stranger(1, i + 1), false));
    EXPECT_EQ(admission.verdict(stranger(1, 77), false), Verdict::too_many_from_network);
    EXPECT_EQ(admission.verdict(stranger(2), false), Verdict::welcome);
    Admission other;
    other.configure(settings(10));
    for (int i = 0; i < 5; ++i) static_cast<void>(other.enter(own(1), true));
    EXPECT_EQ(other.verdict(own(1), true), Verdict::too_many_from_address);
    EXPECT_EQ(other.verdict(own(2), true), Verdict::welcome);
}

TEST(Admission, holds_the_limit_of_an_address_for_strangers) {
    Admission admission;
    admission.configure(settings(100, 2));
    static_cast<void>(admission.enter(stranger(1), false));
    const auto second = admission.enter(stranger(1), false);
    EXPECT_EQ(admission.verdict(stranger(1), false), Verdict::too_many_from_address);
    EXPECT_EQ(admission.verdict(stranger(1), true), Verdict::welcome) << "not for our own";
    admission.leave(second);
    EXPECT_EQ(admission.verdict(stranger(1), false), Verdict::welcome);
}

TEST(Admission, counts_a_connection_with_the_limits_that_it_came_with) {
    Admission admission;
    admission.configure(settings(10));
    const auto ticket = admission.enter(stranger(1), false);
    admission.configure(settings(1000, 3));
    admission.leave(ticket);
    EXPECT_EQ(admission.connections(), 0u);
}

TEST(Admission, calls_connections_scarce_above_three_quarters_until_they_are_below_six_tenths) {
    Admission admission;
    admission.configure(settings(100));
    std::vector<Admission::Ticket> tickets;
    for (int i = 0; i < 75; ++i) tickets.push_back(admission.enter(own(i), true));
    EXPECT_FALSE(admission.is_scarce());
    tickets.push_back(admission.enter(own(100), true));
    EXPECT_TRUE(admission.is_scarce());
    while (tickets.size() > 60) {
        admission.leave(tickets.back());
        tickets.pop_back();
        EXPECT_TRUE(admission.is_scarce()) << tickets.size();
    }
    admission.leave(tickets.back());
    EXPECT_FALSE(admission.is_scarce());
    admission.configure(settings(70));
    EXPECT_TRUE(admission.is_scarce()) << "59 of 70";
}

}  // namespace
}  // namespace mta::inbound
