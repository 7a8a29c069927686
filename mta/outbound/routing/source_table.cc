#include "mta/outbound/routing/source_table.h"

#include <algorithm>

#include "mta/base/domain.h"
#include "mta/base/mail_address.h"

namespace mta::outbound {

SourceTable::SourceTable(const std::vector<conf::Source>& sources) {
    for (const auto& source : sources) {
        members_[source.pool].push_back(&source);
        for (const auto& sender : source.senders) pool_by_sender_.emplace(sender, source.pool);
    }
}

std::string_view SourceTable::pool_of_sender(std::string_view reverse_path) const {
    if (pool_by_sender_.empty()) return {};
    if (reverse_path.contains('@')) {
        const auto domain = domain_of_address(reverse_path);
        if (const auto exact = pool_by_sender_.find(domain); exact != pool_by_sender_.end())
            return exact->second;
        for (auto dot = domain.find('.'); dot != std::string::npos;
             dot = domain.find('.', dot + 1)) {
            const auto subtree = pool_by_sender_.find(std::string_view(domain).substr(dot));
            if (subtree != pool_by_sender_.end()) return subtree->second;
        }
    }
    const auto rest = pool_by_sender_.find("*");
    return rest == pool_by_sender_.end() ? std::string_view{} : rest->second;
}

const std::vector<const conf::Source*>& SourceTable::members(std::string_view pool) const {
    static const std::vector<const conf::Source*> none;
    const auto found = members_.find(pool);
    return found == members_.end() ? none : found->second;
}

SourceTable::Families SourceTable::families_of(std::string_view pool) const {
    const auto& all = members(pool);
    if (all.empty()) return {};
    return {
        .v4 = std::ranges::any_of(all, [](const auto* source) { return source->v4.has_value(); }),
        .v6 = std::ranges::any_of(all, [](const auto* source) { return source->v6.has_value(); })};
}

}  // namespace mta::outbound
