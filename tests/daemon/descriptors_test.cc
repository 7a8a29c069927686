#include "mta/daemon/descriptors.h"

#include <gtest/gtest.h>

namespace mta::daemon {
namespace {

conf::Settings settings_of(std::uint32_t inbound, std::uint32_t outbound) {
    conf::Settings settings;
    settings.inbound.connections_max = inbound;
    settings.delivery.connections_max = outbound;
    return settings;
}

TEST(Descriptors, limits_that_fit_stay_as_they_are) {
    auto settings = settings_of(1000, 500);
    EXPECT_TRUE(fit_to_descriptors(settings, 65'536).empty());
    EXPECT_EQ(settings.inbound.connections_max, 1000u);
    EXPECT_EQ(settings.delivery.connections_max, 500u);
}

TEST(Descriptors, limits_that_do_not_fit_are_lowered_and_told) {
    auto settings = settings_of(1000, 500);
    const auto sentences = fit_to_descriptors(settings, 1024);
    ASSERT_EQ(sentences.size(), 2u);
    EXPECT_EQ(sentences[0],
              "delivery.connections = 500 is more than the open files that this process may have "
              "leave room for: 234 it is; raise LimitNOFILE= or ulimit -n for more");
    EXPECT_EQ(settings.inbound.connections_max + settings.delivery.connections_max, 704u)
        << "a quarter is the spool's and everybody else's, a sixteenth is for sockets that linger";
    EXPECT_EQ(lingering_max(1024), 64u);
    EXPECT_EQ(settings.delivery.connections_max, 234u);
}

TEST(Descriptors, one_connection_each_way_there_always_is) {
    for (std::uint64_t descriptors = 0; descriptors < 200; ++descriptors) {
        auto settings = settings_of(1000, 500);
        EXPECT_FALSE(fit_to_descriptors(settings, descriptors).empty());
        EXPECT_GE(settings.inbound.connections_max, 1u);
        EXPECT_GE(settings.delivery.connections_max, 1u);
        if (descriptors < 40) continue;
        EXPECT_LE(settings.inbound.connections_max + settings.delivery.connections_max + 24 +
                      lingering_max(descriptors),
                  descriptors);
    }
}

TEST(Descriptors, few_clients_leave_more_to_the_deliveries) {
    auto settings = settings_of(10, 2000);
    EXPECT_FALSE(fit_to_descriptors(settings, 1024).empty());
    EXPECT_EQ(settings.inbound.connections_max, 10u);
}

}  // namespace
}  // namespace mta::daemon
