#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conf/settings.h"

namespace mta::outbound {

// Which static route ([[route]] in the configuration) mail for a domain takes: the one that names
// it, else the longest ".subtree" that it is under, else "*". Without one it goes by MX.
//
// Refers into `routes`, which must outlive it.
class RouteTable {
public:
    explicit RouteTable(const std::vector<conf::Route>& routes);

    // `domain` in the form of mta::to_a_labels(), or an address literal: that goes where it says,
    // unless a route names it or "*" takes everything.
    [[nodiscard]] const conf::Route* find(std::string_view domain) const;

private:
    std::unordered_map<std::string_view, const conf::Route*>
        by_domain_;  // ".sub.tree" with its dot
};

}  // namespace mta::outbound
