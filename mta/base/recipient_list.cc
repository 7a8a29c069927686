#include "mta/base/recipient_list.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "mta/base/mail_address.h"

namespace mta {
namespace {

// Up to so many are compared one by one, which is cheaper than a table.
constexpr std::size_t unindexed_max = 8;

std::string_view local_part(const Recipient& recipient) {
    return split_address(recipient.address).local_part;
}

bool is_same_mailbox(const Recipient& a, const Recipient& b) {
    return a.domain == b.domain && local_part(a) == local_part(b);
}

std::size_t hash_of(const Recipient& recipient) {
    const std::hash<std::string_view> hash;
    return hash(local_part(recipient)) * 31 + hash(recipient.domain);
}

std::uint8_t merged(std::uint8_t a, std::uint8_t b) {
    if (a == b) return a;
    const auto spelt_out = [](std::uint8_t notify) -> unsigned {
        return notify == notify_unspecified ? notify_failure | notify_delay : notify;
    };
    const auto wanted = (spelt_out(a) | spelt_out(b)) & ~unsigned{notify_never};
    return static_cast<std::uint8_t>(wanted);
}

}  // namespace

RecipientList::Added RecipientList::add(Recipient recipient) {
    const auto index = find(recipient);
    if (index == recipients_.size()) {
        recipients_.push_back(std::move(recipient));
        index_last();
        return {.index = index, .is_new = true};
    }
    auto& known = recipients_[index];
    known.notify = merged(known.notify, recipient.notify);
    if (known.orcpt.empty()) known.orcpt = std::move(recipient.orcpt);
    return {.index = index, .is_new = false};
}

std::size_t RecipientList::find(const Recipient& recipient) const {
    if (by_hash_.empty()) {
        const auto found = std::ranges::find_if(
            recipients_, [&](const Recipient& known) { return is_same_mailbox(known, recipient); });
        return static_cast<std::size_t>(found - recipients_.begin());
    }
    for (auto [at, end] = by_hash_.equal_range(hash_of(recipient)); at != end; ++at) {
        if (is_same_mailbox(recipients_[at->second], recipient)) return at->second;
    }
    return recipients_.size();
}

void RecipientList::index_last() {
    if (recipients_.size() < unindexed_max) return;
    for (auto i = by_hash_.empty() ? 0 : recipients_.size() - 1; i < recipients_.size(); ++i) {
        by_hash_.emplace(hash_of(recipients_[i]), i);
    }
}

std::vector<Recipient> RecipientList::take() {
    by_hash_.clear();
    return std::exchange(recipients_, {});
}

}  // namespace mta
