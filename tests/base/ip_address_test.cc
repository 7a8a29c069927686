#include "mta/base/ip_address.h"

#include <unordered_set>

#include <gtest/gtest.h>

namespace mta {
namespace {

struct AddressCase {
    const char* text;
    const char* want;  // as it is written back; nullptr: no address
    bool is_v6 = false;
};

const AddressCase address_cases[] = {
    {"192.0.2.1", "192.0.2.1"},
    {"0.0.0.0", "0.0.0.0"},
    {"255.255.255.255", "255.255.255.255"},
    {"2001:db8::1", "2001:db8::1", true},
    {"2001:DB8:0:0:0:0:0:1", "2001:db8::1", true},
    {"::", "::", true},
    {"::1", "::1", true},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true},
    {"::ffff:192.0.2.1", "192.0.2.1"},  // mapped: the address that it is
    {"::ffff:c000:201", "192.0.2.1"},
    {"::192.0.2.1", "::192.0.2.1", true},  // compatible is not mapped
    {"", nullptr},
    {"192.0.2", nullptr},
    {"192.0.2.256", nullptr},
    {"192.0.2.1.", nullptr},
    {" 192.0.2.1", nullptr},
    {"192.0.2.1 ", nullptr},
    {"192.0.2.01x", nullptr},
    {"192.0.2.1:25", nullptr},
    {"[2001:db8::1]", nullptr},
    {"fe80::1%eth0", nullptr},
    {"2001:db8:::1", nullptr},
    {"12345::", nullptr},
    {"1:2:3:4:5:6:7:8:9", nullptr},
    {"mail.example", nullptr},
    {"1111:2222:3333:4444:5555:6666:123.123.123.1234567890", nullptr},
};

TEST(IpAddress, is_parsed_and_written) {
    for (const auto& row : address_cases) {
        const auto address = IpAddress::parse(row.text);
        ASSERT_EQ(address.has_value(), row.want != nullptr) << row.text;
        if (!address) continue;
        EXPECT_EQ(address->to_string(), row.want);
        EXPECT_EQ(address->is_v6(), row.is_v6) << row.text;
        EXPECT_EQ(IpAddress::parse(address->to_string()), address);
    }
}

TEST(IpAddress, does_not_end_at_a_zero_byte) {
    EXPECT_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0x", 11)));
    EXPECT_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0", 10)));
}

TEST(IpAddress, by_default_is_the_unspecified_one) {
    EXPECT_EQ(IpAddress().to_string(), "0.0.0.0");
    EXPECT_NE(IpAddress(), IpAddress::v6({}));
}

TEST(IpAddress, is_a_literal_of_rfc_5321) {
    EXPECT_EQ(IpAddress::parse("192.0.2.1")->to_literal(), "[192.0.2.1]");
    EXPECT_EQ(IpAddress::parse("2001:db8::1")->to_literal(), "[IPv6:2001:db8::1]");
}

enum Kind : std::uint8_t { ordinary = 0, loopback = 1, link_local = 2, reserved = 4 };

const std::pair<const char*, Kind> kind_cases[] = {
    {"126.255.255.255", ordinary},
    {"127.0.0.0", loopback},
    {"127.255.255.255", loopback},
    {"128.0.0.0", ordinary},
    {"0.0.0.0", loopback},
    {"0.255.255.255", loopback},
    {"1.0.0.0", ordinary},
    {"::", loopback},
    {"::1", loopback},
    {"::2", ordinary},
    {"100::1", ordinary},
    {"::ffff:127.0.0.1", loopback},
    {"169.253.0.1", ordinary},
    {"169.254.0.0", link_local},
    {"169.254.255.255", link_local},
    {"169.255.0.0", ordinary},
    {"168.254.0.0", ordinary},
    {"fe7f::1", ordinary},
    {"fe80::", link_local},
    {"febf:ffff::1", link_local},
    {"fec0::1", ordinary},
    {"223.255.255.255", ordinary},
    {"224.0.0.0", reserved},
    {"239.255.255.255", reserved},
    {"240.0.0.0", reserved},
    {"255.255.255.255", reserved},
    {"feff::1", ordinary},
    {"ff00::", reserved},
    {"ff02::1", reserved},
    {"10.0.0.1", ordinary},
    {"192.168.0.1", ordinary},
    {"fd00::1", ordinary},
    {"2001:db8::1", ordinary},
};

TEST(IpAddress, knows_where_mail_may_not_go) {
    for (const auto& [text, kind] : kind_cases) {
        const auto address = IpAddress::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->is_loopback_or_unspecified(), kind == loopback) << text;
        EXPECT_EQ(address->is_link_local(), kind == link_local) << text;
        EXPECT_EQ(address->is_multicast_or_reserved(), kind == reserved) << text;
    }
}

TEST(IpAddress, hashes_as_it_compares) {
    std::unordered_set<IpAddress> set;
    for (const auto& row : address_cases) {
        if (const auto address = IpAddress::parse(row.text)) set.insert(*address);
    }
    EXPECT_TRUE(set.contains(*IpAddress::parse("::ffff:192.0.2.1")));
    EXPECT_FALSE(set.contains(*IpAddress::parse("192.0.2.2")));
    EXPECT_NE(std::hash<IpAddress>{}(*IpAddress::parse("2001:db8::1")),
              std::hash<IpAddress>{}(*IpAddress::parse("2001:db8::2")));
}

struct NetworkCase {
    const char* text;
    const char* want;  // as it is written back; nullptr: no network
};

const NetworkCase network_cases[] = {
    {"192.168.0.0/16", "192.168.0.0/16"},
    {"10.1.2.3", "10.1.2.3/32"},
    {"0.0.0.0/0", "0.0.0.0/0"},
    {"10.1.2.3/32", "10.1.2.3/32"},
    {"192.0.2.128/25", "192.0.2.128/25"},
    {"192.0.2.128/24", nullptr},
    {"192.168.0.0/33", nullptr},
    {"192.168.0.0/", nullptr},
    {"192.168.0.0/-1", nullptr},
    {"192.168.0.0/+8", nullptr},
    {"192.168.0.0/8x", nullptr},
    {"192.168.0.0/16/16", nullptr},
    {"192.168.0.0/65552", nullptr},
    {"/8", nullptr},
    {"", nullptr},
    {"::1", "::1/128"},
    {"::/0", "::/0"},
    {"2001:db8::/32", "2001:db8::/32"},
    {"2001:db8::/31", "2001:db8::/31"},
    {"2001:db9::/31", nullptr},
    {"2001:db8::/129", nullptr},
    {"::ffff:10.0.0.0/104", nullptr},  // mapped networks are written as the IPv4 ones that they are
};

TEST(Network, is_parsed_and_written) {
    for (const auto& row : network_cases) {
        const auto network = Network::parse(row.text);
        ASSERT_EQ(network.has_value(), row.want != nullptr) << row.text;
        if (!network) continue;
        EXPECT_EQ(network->to_string(), row.want);
        EXPECT_EQ(Network::parse(network->to_string()), network);
    }
}

struct MemberCase {
    const char* network;
    const char* address;
    bool want;
};

const MemberCase member_cases[] = {
    {"192.168.0.0/16", "192.168.255.255", true},
    {"192.168.0.0/16", "192.169.0.0", false},
    {"192.168.0.0/16", "192.167.255.255", false},
    {"192.0.2.128/25", "192.0.2.127", false},
    {"192.0.2.128/25", "192.0.2.128", true},
    {"192.0.2.128/25", "192.0.2.255", true},
    {"192.0.2.128/25", "192.0.3.128", false},
    {"10.0.0.0/7", "11.255.255.255", true},
    {"10.0.0.0/7", "12.0.0.0", false},
    {"192.0.2.1", "192.0.2.1", true},
    {"192.0.2.1", "192.0.2.0", false},
    {"0.0.0.0/0", "255.1.2.3", true},
    {"0.0.0.0/0", "::", false},
    {"::/0", "0.0.0.0", false},
    {"::/0", "2001:db8::1", true},
    {"2001:db8::/33", "2001:db8:7fff::1", true},
    {"2001:db8::/33", "2001:db8:8000::", false},
    {"2001:db8::/127", "2001:db8::1", true},
    {"2001:db8::/127", "2001:db8::2", false},
    {"192.168.0.0/16", "::ffff:192.168.1.1", true},
};

TEST(Network, contains_its_addresses) {
    for (const auto& row : member_cases) {
        EXPECT_EQ(Network::parse(row.network)->contains(*IpAddress::parse(row.address)), row.want)
            << row.network << ' ' << row.address;
    }
    EXPECT_TRUE(Network().contains(IpAddress()));
    EXPECT_FALSE(Network().contains(*IpAddress::parse("0.0.0.1")));
}

struct EndpointCase {
    const char* text;
    const char* want;  // nullptr: no endpoint
};

const EndpointCase endpoint_cases[] = {
    {"192.0.2.1:25", "192.0.2.1:25"},
    {"0.0.0.0:0", "0.0.0.0:0"},
    {"192.0.2.1:65535", "192.0.2.1:65535"},
    {"[2001:DB8::1]:25", "[2001:db8::1]:25"},
    {"[::]:25", "[::]:25"},
    {"192.0.2.1:65536", nullptr},
    {"192.0.2.1:-1", nullptr},
    {"192.0.2.1:", nullptr},
    {"192.0.2.1", nullptr},
    {"192.0.2.1:25x", nullptr},
    {"192.0.2.1: 25", nullptr},
    {"[192.0.2.1]:25", nullptr},
    {"2001:db8::1:25", nullptr},
    {"::1", nullptr},
    {"[::1]", nullptr},
    {"[::1]25", nullptr},
    {"[::1:25", nullptr},
    {"::1]:25", nullptr},
    {"localhost:25", nullptr},
    {":25", nullptr},
    {"", nullptr},
};

TEST(Endpoint, is_parsed_and_written) {
    for (const auto& row : endpoint_cases) {
        const auto endpoint = parse_endpoint(row.text);
        ASSERT_EQ(endpoint.has_value(), row.want != nullptr) << row.text;
        if (!endpoint) continue;
        EXPECT_EQ(to_string(*endpoint), row.want);
        EXPECT_EQ(parse_endpoint(to_string(*endpoint)), endpoint);
    }
}

TEST(Endpoint, hashes_its_port_too) {
    const auto hash = [](const char* text) { return std::hash<Endpoint>{}(*parse_endpoint(text)); };
    EXPECT_NE(hash("192.0.2.1:25"), hash("192.0.2.1:26"));
    EXPECT_EQ(hash("[::1]:25"), hash("[0::1]:25"));
}

}  // namespace
}  // namespace mta
