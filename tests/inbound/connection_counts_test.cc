#include "mta/inbound/connection_counts.h"

#include <gtest/gtest.h>

namespace mta::inbound {
namespace {
using Verdict = ConnectionCounts::Verdict;

const auto first = *IpAddress::parse("192.0.2.1");
const auto second = *IpAddress::parse("192.0.2.2");

Verdict enter(ConnectionCounts& counts, const IpAddress& client,
              const ConnectionCounts::Limits& limits) {
    const auto verdict = counts.verdict(client, limits);
    if (verdict == Verdict::welcome) counts.enter(client, limits);
    return verdict;
}

TEST(ConnectionCounts, refuses_the_one_beyond_each_limit_and_takes_it_once_another_has_left) {
    ConnectionCounts counts;
    const ConnectionCounts::Limits limits{.connections_max = 3, .per_address_max = 2};
    EXPECT_EQ(enter(counts, first, limits), Verdict::welcome);
    EXPECT_EQ(enter(counts, first, limits), Verdict::welcome);
    EXPECT_EQ(enter(counts, first, limits), Verdict::too_many_from_address);
    EXPECT_EQ(enter(counts, second, limits), Verdict::welcome);
    EXPECT_EQ(enter(counts, second, limits), Verdict::too_many);
    EXPECT_EQ(counts.total(), 3u);
    counts.leave(first, limits);
    EXPECT_EQ(enter(counts, first, limits), Verdict::welcome);
    EXPECT_EQ(enter(counts, second, limits), Verdict::too_many);
}

TEST(ConnectionCounts, does_not_count_by_address_for_the_trusted) {
    ConnectionCounts counts;
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(enter(counts, first, {.connections_max = 50, .per_address_max = 0}),
                  Verdict::welcome);
    }
    EXPECT_EQ(enter(counts, first, {.connections_max = 50, .per_address_max = 0}),
              Verdict::too_many);
}

TEST(ConnectionCounts, refuses_the_one_beyond_the_limit_of_a_network) {
    ConnectionCounts counts;
    const ConnectionCounts::Limits limits{
        .connections_max = 99, .per_address_max = 2, .per_network_max = 3};
    for (const auto* client : {"192.0.2.1", "192.0.2.1", "192.0.2.255", "2001:db8:0:1::1",
                               "2001:db8:0:2::1", "2001:db8:0:ffff::1"})
        EXPECT_EQ(enter(counts, *IpAddress::parse(client), limits), Verdict::welcome) << client;
    for (const auto* client : {"192.0.2.77", "2001:db8:0:3::1"})
        EXPECT_EQ(enter(counts, *IpAddress::parse(client), limits), Verdict::too_many_from_network);
    for (const auto* client : {"192.0.3.1", "2001:db8:1::1"})
        EXPECT_EQ(enter(counts, *IpAddress::parse(client), limits), Verdict::welcome) << client;
    EXPECT_EQ(enter(counts, *IpAddress::parse("192.0.2.77"), {.connections_max = 99}),
              Verdict::welcome)
        << "the trusted";
    counts.leave(*IpAddress::parse("192.0.2.77"), {.connections_max = 99});
    EXPECT_EQ(enter(counts, *IpAddress::parse("192.0.2.78"), limits),
              Verdict::too_many_from_network);
    counts.leave(first, limits);
    EXPECT_EQ(enter(counts, first, limits), Verdict::welcome);
    EXPECT_EQ(enter(counts, first, limits), Verdict::too_many_from_network);
}

TEST(ConnectionCounts, sees_an_ipv6_network_of_64_bits_as_one_client) {
    ConnectionCounts counts;
    const ConnectionCounts::Limits limits{.connections_max = 9, .per_address_max = 1};
    EXPECT_EQ(enter(counts, *IpAddress::parse("2001:db8::1"), limits), Verdict::welcome);
    EXPECT_EQ(enter(counts, *IpAddress::parse("2001:db8::ffff"), limits),
              Verdict::too_many_from_address);
    EXPECT_EQ(enter(counts, *IpAddress::parse("2001:db8:0:1::1"), limits), Verdict::welcome);
}

TEST(ConnectionCounts, sees_each_address_of_ours_as_one_client) {
    ConnectionCounts counts;
    const ConnectionCounts::Limits limits{
        .connections_max = 9, .per_address_max = 1, .is_own = true};
    const auto one = *IpAddress::parse("2001:db8::1");
    EXPECT_EQ(enter(counts, one, limits), Verdict::welcome);
    EXPECT_EQ(enter(counts, one, limits), Verdict::too_many_from_address);
    EXPECT_EQ(enter(counts, *IpAddress::parse("2001:db8::2"), limits), Verdict::welcome);
    counts.leave(one, limits);
    EXPECT_EQ(enter(counts, one, limits), Verdict::welcome);
}
}  // namespace
}  // namespace mta::inbound
