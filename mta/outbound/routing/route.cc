#include "mta/outbound/routing/route.h"

namespace mta::outbound {

RouteTable::RouteTable(const std::vector<conf::Route>& routes) {
    for (const auto& route : routes) by_domain_.emplace(route.domain, &route);
}

const conf::Route* RouteTable::find(std::string_view domain) const {
    if (by_domain_.empty()) return nullptr;
    if (const auto exact = by_domain_.find(domain); exact != by_domain_.end()) return exact->second;
    if (!domain.starts_with('[')) {
        for (auto dot = domain.find('.'); dot != std::string_view::npos;
             dot = domain.find('.', dot + 1)) {
            const auto subtree = by_domain_.find(domain.substr(dot));
            if (subtree != by_domain_.end()) return subtree->second;
        }
    }
    const auto rest = by_domain_.find("*");
    return rest == by_domain_.end() ? nullptr : rest->second;
}

}  // namespace mta::outbound
