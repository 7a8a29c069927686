#include "mta/base/mail_address.h"

#include <gtest/gtest.h>

namespace mta {
namespace {

TEST(MailAddress, is_split_at_its_last_at) {
    struct Row {
        std::string_view address;
        std::string_view local_part;
        std::string_view domain;
    };
    const Row rows[] = {
        {"bob@them.example", "bob", "them.example"},
        {"\"b@b\"@them.example", "\"b@b\"", "them.example"},
        {"bob@[192.0.2.1]", "bob", "[192.0.2.1]"},
        {"postmaster", "postmaster", ""},
        {"@them.example", "", "them.example"},
        {"bob@", "bob", ""},
        {"", "", ""},
    };
    for (const auto& row : rows) {
        const auto parts = split_address(row.address);
        EXPECT_EQ(parts.local_part, row.local_part) << row.address;
        EXPECT_EQ(parts.domain, row.domain) << row.address;
    }
}

TEST(MailAddress, its_domain_is_in_the_form_of_recipients) {
    EXPECT_EQ(domain_of_address("Bob@Them.Example"), "them.example");
    EXPECT_EQ(domain_of_address("bob@b\xc3\xbc"
                                "cher.example"),
              "xn--bcher-kva.example");
    EXPECT_EQ(domain_of_address("bob@[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]");
    EXPECT_EQ(domain_of_address("bob@A..B"), "a..b") << "no domain, but the same as before";
    EXPECT_EQ(domain_of_address("postmaster"), "");
}

TEST(MailAddress, becomes_ascii_only_if_the_local_part_is) {
    EXPECT_EQ(in_ascii_if_possible("bob@b\xc3\xbc"
                                   "cher.example"),
              "bob@xn--bcher-kva.example");
    EXPECT_EQ(in_ascii_if_possible("Bob@Them.Example"), "Bob@Them.Example");
    const std::string utf8 =
        "b\xc3\xbcrgel@b\xc3\xbc"
        "cher.example";
    EXPECT_EQ(in_ascii_if_possible(utf8), utf8);
    EXPECT_EQ(in_ascii_if_possible("b\xc3\xbc"), "b\xc3\xbc");
}

}  // namespace
}  // namespace mta
