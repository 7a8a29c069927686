#include "mta/smtp/syntax/address.h"

#include <ostream>

#include <gtest/gtest.h>

#include "mta/base/limits.h"

namespace mta::smtp {
namespace {

using namespace std::literals;

struct PathCase {
    std::string_view path;
    std::string_view text;              // of the address
    std::string_view canonical_domain;  // empty: an error
    AddressError error = AddressError::no_brackets;
};

constexpr auto is_error = ""sv;

const PathCase paths[] = {
    {"<a@b.example>", "a@b.example", "b.example"},
    {"<a@B.Example>", "a@B.Example", "b.example"},
    {"<a+b%c!d@b.example>", "a+b%c!d@b.example", "b.example"},
    {"<a.b@b.example>", "a.b@b.example", "b.example"},
    {"<a..b.@b.example>", "a..b.@b.example", "b.example"},
    {"<#$%&'*+-/=?^_`{|}~@b>", "#$%&'*+-/=?^_`{|}~@b", "b"},
    {"<\"a b\"@b.example>", "\"a b\"@b.example", "b.example"},
    {"<\"a@c.example\"@b.example>", "\"a@c.example\"@b.example", "b.example"},
    {"<\"a>b\"@b.example>", "\"a>b\"@b.example", "b.example"},
    {"<\"a\\\"b\\\\\"@b.example>", "\"a\\\"b\\\\\"@b.example", "b.example"},
    {"<\"\"@b.example>", "\"\"@b.example", "b.example"},
    {"<\"\\\\\xc3\xbc\"@b.example>", "\"\\\\\xc3\xbc\"@b.example", "b.example"},
    {"<a@[192.0.2.1]>", "a@[192.0.2.1]", "[192.0.2.1]"},
    {"<a@[IPv6:2001:DB8:0::1]>", "a@[IPv6:2001:DB8:0::1]", "[IPv6:2001:db8::1]"},
    {"<a@[ipv6:::ffff:192.0.2.1]>", "a@[ipv6:::ffff:192.0.2.1]", "[192.0.2.1]"},
    {"<ü@bücher.example>", "ü@bücher.example", "xn--bcher-kva.example"},
    {"<@c.example:a@b.example>", "a@b.example", "b.example"},
    {"<@c.example,@[192.0.2.1],@[IPv6:::1]:a@b.example>", "a@b.example", "b.example"},
    {"a@b.example", "", is_error, AddressError::no_brackets},
    {"<a@b.example", "", is_error, AddressError::no_brackets},
    {"", "", is_error, AddressError::no_brackets},
    {"<", "", is_error, AddressError::bad_local_part},
    {"< a@b.example>", "", is_error, AddressError::bad_local_part},
    {"<a @b.example>", "", is_error, AddressError::bad_local_part},
    {"<a@ b.example>", "", is_error, AddressError::bad_domain},
    {"<a@b.example >", "", is_error, AddressError::bad_domain},
    {"<@b.example>", "", is_error, AddressError::bad_domain},
    {"<a@>", "", is_error, AddressError::bad_domain},
    {"<a>", "", is_error, AddressError::no_domain},
    {"<a@b@c.example>", "", is_error, AddressError::bad_local_part},
    {"<\"a\"b@c.example>", "", is_error, AddressError::bad_local_part},
    {"<a\"b\"@c.example>", "", is_error, AddressError::bad_local_part},
    {"<\"a@c.example>", "", is_error, AddressError::bad_local_part},
    {"<\"a\\\">", "", is_error, AddressError::bad_local_part},
    {"<\"a\\", "", is_error, AddressError::bad_local_part},
    {"<\"\\\xc3\xbc\"@b.example>", "", is_error, AddressError::bad_local_part},
    {"<a(b)@c.example>", "", is_error, AddressError::bad_local_part},
    {"<a,b@c.example>", "", is_error, AddressError::bad_local_part},
    {"<a@b..example>", "", is_error, AddressError::bad_domain},
    {"<a@b.example.>", "", is_error, AddressError::bad_domain},
    {"<a@-b.example>", "", is_error, AddressError::bad_domain},
    {"<a@b_c!.example>", "", is_error, AddressError::bad_domain},
    {"<a@[192.0.2.256]>", "", is_error, AddressError::bad_domain},
    {"<a@[192.0.2.1>", "", is_error, AddressError::bad_domain},
    {"<a@[IPv6:192.0.2.1]>", "", is_error, AddressError::bad_domain},
    {"<a@[::1]>", "", is_error, AddressError::bad_domain},
    {"<a@[]>", "", is_error, AddressError::bad_domain},
    {"<a@[x-tag:data]>", "", is_error, AddressError::bad_domain},
    {"<@c.example a@b.example>", "", is_error, AddressError::bad_domain},
    {"<@c.example,a@b.example>", "", is_error, AddressError::bad_domain},
    {"<@:a@b.example>", "", is_error, AddressError::bad_domain},
    {"<a\x01@b.example>", "", is_error, AddressError::bad_local_part},
    {"<\"a\x01\"@b.example>", "", is_error, AddressError::bad_local_part},
    {"<\"a\\\x01\"@b.example>", "", is_error, AddressError::bad_local_part},
    {"<\"a\x7f\"@b.example>", "", is_error, AddressError::bad_local_part},
    {"<\"a\r\nb\"@b.example>", "", is_error, AddressError::bad_local_part},
    {"<\"a\0b\"@b.example>"sv, "", is_error, AddressError::bad_local_part},
    {"<a@b\r\n.example>", "", is_error, AddressError::bad_domain},
    {"<a@b\0.example>"sv, "", is_error, AddressError::bad_domain},
    {"<\xff@b.example>", "", is_error, AddressError::bad_utf8},
    {"<a@\xff.example>", "", is_error, AddressError::bad_utf8},
    {"<a\xc2\x85@b.example>", "", is_error, AddressError::bad_utf8},
    {"<a@b\xc2\x85.example>", "", is_error, AddressError::bad_utf8},
};

TEST(Address, reads_a_path) {
    for (const auto& test : paths) {
        auto input = test.path;
        const auto address = take_path(input, PathKind::forward);
        if (test.canonical_domain.empty()) {
            ASSERT_FALSE(address) << test.path;
            EXPECT_EQ(address.error(), test.error)
                << test.path << ": " << describe(address.error());
            EXPECT_EQ(input, test.path);
            continue;
        }
        ASSERT_TRUE(address) << test.path << ": " << describe(address.error());
        EXPECT_EQ(address->text(), test.text);
        EXPECT_EQ(address->canonical_domain, test.canonical_domain);
        EXPECT_EQ(input, "");
    }
}

TEST(Address, leaves_what_follows_the_path) {
    auto input = "<a@b.example> SIZE=1"sv;
    ASSERT_TRUE(take_path(input, PathKind::reverse));
    EXPECT_EQ(input, " SIZE=1");
}

TEST(Address, only_a_reverse_path_may_be_null) {
    auto input = "<> x"sv;
    const auto address = take_path(input, PathKind::reverse);
    ASSERT_TRUE(address);
    EXPECT_TRUE(address->is_null());
    EXPECT_FALSE(address->is_bare_postmaster());
    EXPECT_EQ(address->text(), "");
    EXPECT_EQ(input, " x");
    input = "<>";
    EXPECT_FALSE(take_path(input, PathKind::forward));
}

TEST(Address, only_a_forward_path_may_be_the_bare_postmaster) {
    auto input = "<PostMaster>"sv;
    EXPECT_EQ(take_path(input, PathKind::reverse).error(), AddressError::no_domain);
    const auto address = take_path(input, PathKind::forward);
    ASSERT_TRUE(address);
    EXPECT_TRUE(address->is_bare_postmaster());
    EXPECT_EQ(address->text(), "PostMaster");
}

TEST(Address, reads_a_mailbox_alone) {
    EXPECT_EQ(parse_mailbox("a@b.example")->text(), "a@b.example");
    EXPECT_EQ(parse_mailbox("postmaster").error(), AddressError::no_domain);
    EXPECT_EQ(parse_mailbox("").error(), AddressError::bad_local_part);
    EXPECT_EQ(parse_mailbox("a b@c").error(), AddressError::bad_local_part);
    EXPECT_EQ(parse_mailbox("a@b@c").error(), AddressError::bad_local_part);
    EXPECT_EQ(parse_mailbox("a@b>").error(), AddressError::bad_domain);
}

TEST(Address, keeps_the_limits) {
    const auto read = [](std::size_t local_part, std::size_t domain) {
        std::string name;
        while (name.size() + 64 <= domain) name += std::string(63, 'd') + '.';
        name += std::string(domain - name.size(), 'd');
        return parse_mailbox(std::string(local_part, 'a') + '@' + name);
    };
    EXPECT_TRUE(read(limits::local_part_bytes_max, 20));
    EXPECT_EQ(read(limits::local_part_bytes_max + 1, 20).error(), AddressError::too_long);
    EXPECT_TRUE(read(20, 253));
    EXPECT_EQ(read(20, 254).error(), AddressError::bad_domain);  // the DNS holds no more
    EXPECT_EQ(read(20, 257).error(), AddressError::too_long);
}

TEST(Address, knows_what_needs_smtputf8) {
    EXPECT_FALSE(parse_mailbox("a@b.example")->needs_smtputf8());
    EXPECT_TRUE(parse_mailbox("ü@b.example")->needs_smtputf8());
    EXPECT_TRUE(parse_mailbox("a@bücher.example")->needs_smtputf8());
}

TEST(Address, knows_a_local_part_that_looks_like_a_route) {
    for (const auto* const text :
         {"a%c.example@b.example", "c.example!a@b.example", "\"a@c.example\"@b.example"}) {
        EXPECT_TRUE(parse_mailbox(text)->has_routing_local_part()) << text;
    }
    EXPECT_FALSE(parse_mailbox("a+c=d@b.example")->has_routing_local_part());
}

}  // namespace
}  // namespace mta::smtp
