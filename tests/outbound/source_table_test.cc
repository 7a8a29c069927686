#include "mta/outbound/routing/source_table.h"

#include <gtest/gtest.h>

namespace mta::outbound {
namespace {

conf::Source source(const std::string& name, const std::string& pool,
                    std::vector<std::string> senders = {}) {
    return {
        .name = name, .pool = pool, .v4 = {}, .v6 = {}, .ehlo = {}, .senders = std::move(senders)};
}

TEST(SourceTable, the_most_exact_name_of_the_senders_domain_counts) {
    const std::vector<conf::Source> sources = {
        source("one", "one", {"office.example"}), source("sub", "sub", {".office.example"}),
        source("deep", "deep", {".deep.office.example"}), source("rest", "rest", {"*"})};
    const SourceTable table(sources);
    const struct {
        const char* sender;
        const char* pool;
    } cases[] = {
        {"ann@office.example", "one"},
        {"ann@OFFICE.example", "one"},
        {"ann@a.office.example", "sub"},
        {"ann@a.b.office.example", "sub"},
        {"a@x.deep.office.example", "deep"},
        {"a@deep.office.example", "sub"},
        {"ann@notoffice.example", "rest"},
        {"\"a@office.example\"@elsewhere.example", "rest"},
        {"", "rest"},
        {"ann", "rest"},
    };
    for (const auto& each : cases)
        EXPECT_EQ(table.pool_of_sender(each.sender), each.pool) << each.sender;
}

TEST(SourceTable, who_is_not_named_has_no_pool) {
    const std::vector<conf::Source> sources = {source("one", "one", {"office.example"})};
    const SourceTable table(sources);
    EXPECT_EQ(table.pool_of_sender("ann@them.example"), "");
    EXPECT_EQ(table.pool_of_sender(""), "");
    EXPECT_EQ(SourceTable({}).pool_of_sender("ann@office.example"), "");
}

TEST(SourceTable, a_pool_has_its_members_in_their_order_and_reaches_their_families) {
    std::vector<conf::Source> sources = {source("a", "pool"), source("other", "other"),
                                         source("b", "pool")};
    const auto v4 = *IpAddress::parse("192.0.2.1");
    const auto v6 = *IpAddress::parse("2001:db8::1");
    sources[0].v4 = v4;
    sources[1].v6 = v6;
    sources[2].v4 = v4;
    const SourceTable table(sources);
    ASSERT_EQ(table.members("pool").size(), 2u);
    EXPECT_EQ(table.members("pool")[1]->name, "b");
    EXPECT_TRUE(table.families_of("pool").v4);
    EXPECT_FALSE(table.families_of("pool").v6);
    EXPECT_TRUE(table.families_of("other").v6);
    EXPECT_TRUE(table.families_of("").v6) << "the system chooses";
    EXPECT_TRUE(table.families_of("gone after a reload").v4);
}

}  // namespace
}  // namespace mta::outbound
