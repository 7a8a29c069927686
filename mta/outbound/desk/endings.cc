#include "mta/outbound/desk/endings.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/base/mail_address.h"

namespace mta::outbound {
void Endings::add(EndingView ending) {
    if (ending.error.text.size() > limits::ending_words_bytes_max)
        ending.error.text.resize(limits::ending_words_bytes_max);
    endings_.push_back(std::move(ending));
    if (endings_.size() > limits::endings_max) endings_.pop_front();
}

std::vector<EndingView> Endings::find(const Query& query, std::size_t limit) const {
    const auto domain = to_lower(query.domain);
    const auto address = to_lower(query.address);
    std::vector<EndingView> found;
    for (const auto& ending : endings_ | std::views::reverse) {
        if (found.size() == limit) break;
        if (query.id != 0 && ending.id != query.id) continue;
        if (!address.empty() && to_lower(ending.address) != address) continue;
        if (!domain.empty() && to_lower(split_address(ending.address).domain) != domain) continue;
        found.push_back(ending);
    }
    std::ranges::reverse(found);
    return found;
}

}  // namespace mta::outbound
