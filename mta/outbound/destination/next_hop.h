#pragma once
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "conf/settings.h"
#include "dns/resolver.h"

namespace mta::outbound {

// The hosts of a route, in order of preference.
struct StaticHosts {
    std::vector<conf::NextHopHost> hosts;
};
using MxLookup = std::shared_ptr<const dns::Lookup<dns::MxAnswer>>;
// The MX hosts of a domain, and what the DNS said about them.
struct MxHosts {
    std::string domain;
    MxLookup answer;
};
// The machine that an address literal names: "[192.0.2.1]".
struct LiteralHost {
    std::string literal;
};

// Where the hosts of a destination come from. A new kind of next hop is an alternative here; the
// compiler then names every place that has to know it.
using NextHop = std::variant<StaticHosts, MxHosts, LiteralHost>;

// Makes one visitor of several functions.
template <class... Functions>
struct EachNextHop : Functions... {
    using Functions::operator()...;
};

}  // namespace mta::outbound
