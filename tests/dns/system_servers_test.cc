#include "dns/system_servers.h"

#include <gtest/gtest.h>

namespace dns {
namespace {

TEST(SystemServers, are_this_machine_if_the_file_names_none) {
    const auto servers = system_servers("/dev/null");
    ASSERT_EQ(servers.size(), 1u);
    EXPECT_EQ(to_string(servers[0]), "127.0.0.1:53");
}

}  // namespace
}  // namespace dns
