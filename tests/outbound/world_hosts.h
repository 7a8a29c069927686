// A world with a domain that has several MX hosts.
#pragma once
#include <string>
#include <vector>

#include "tests/outbound/world.h"

namespace world {

// mx1.DOMAIN at 192.0.2.1, mx2.DOMAIN at 192.0.2.2 and so on, in that order of preference.
inline void serve_with_hosts(World& world, const std::string& domain, int hosts) {
    std::vector<std::string> names;
    for (int i = 1; i <= hosts; ++i) {
        names.push_back("mx" + std::to_string(i) + "." + domain);
        world.resolver.set_host(names.back(), {"192.0.2." + std::to_string(i)});
        world.server("192.0.2." + std::to_string(i));
    }
    world.resolver.set_mx(domain, names);
}

}  // namespace world
