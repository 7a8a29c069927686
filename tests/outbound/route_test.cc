#include "mta/outbound/routing/route.h"

#include <gtest/gtest.h>

namespace mta::outbound {
namespace {

TEST(RouteTable, exact_name_before_longest_subtree_before_the_rest) {
    const std::vector<conf::Route> routes = {
        {.domain = "*", .hosts = {{"rest", 25}}},
        {.domain = ".example", .hosts = {{"short", 25}}},
        {.domain = ".office.example", .hosts = {{"long", 25}}},
        {.domain = "office.example", .hosts = {{"exact", 25}}},
        {.domain = "[192.0.2.7]", .hosts = {{"literal", 25}}},
    };
    const RouteTable table(routes);
    struct Row {
        std::string_view domain;
        std::string_view host;
    };
    for (const auto& row : std::vector<Row>{{"office.example", "exact"},
                                            {"mail.office.example", "long"},
                                            {"a.b.office.example", "long"},
                                            {"xoffice.example", "short"},
                                            {"example", "rest"},
                                            {"them.test", "rest"},
                                            {"[192.0.2.7]", "literal"},
                                            {"[192.0.2.8]", "rest"}}) {
        const auto* route = table.find(row.domain);
        ASSERT_NE(route, nullptr) << row.domain;
        EXPECT_EQ(route->hosts[0].host, row.host) << row.domain;
    }
}

TEST(RouteTable, no_route_means_by_mx) {
    const std::vector<conf::Route> routes = {{.domain = ".office.example", .hosts = {{"h", 25}}}};
    const RouteTable table(routes);
    EXPECT_EQ(table.find("office.example"), nullptr) << "the subtree does not contain its root";
    EXPECT_EQ(table.find("them.example"), nullptr);
    EXPECT_EQ(RouteTable({}).find("them.example"), nullptr);
}

}  // namespace
}  // namespace mta::outbound
