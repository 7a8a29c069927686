#include "mta/api/queue/grouping.h"

#include <algorithm>
#include <utility>

#include "mta/api/selection.h"

namespace mta::api {
namespace {

using outbound::MessageHit;
using outbound::RecipientHit;

constexpr std::array<std::pair<std::string_view, GroupBy>, 5> names = {
    {{"destination", GroupBy::destination},
     {"domain", GroupBy::domain},
     {"sender", GroupBy::sender},
     {"reason", GroupBy::reason},
     {"state", GroupBy::state}}};

constexpr std::size_t reason_bytes_max = 160;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether a word identifies a message or a time rather than a trouble: an address, a number of
// more than three digits, an id of mixed letters and digits.
bool is_particular(std::string_view word) {
    const auto digits = std::ranges::count_if(word, is_digit);
    return word.contains('@') || digits > 3;
}

}  // namespace

std::optional<GroupBy> parse_group(std::string_view name) {
    for (const auto& [known, by] : names) {
        if (known == name) return by;
    }
    return std::nullopt;
}

std::string reason_group(const DeliveryError* error) {
    if (error == nullptr) return {};
    const auto reply = reply_of(*error);
    std::string out;
    for (std::string_view rest = reply; !rest.empty() && out.size() < reason_bytes_max;) {
        const auto end = std::min(rest.find_first_of(" \n"), rest.size());
        const auto word = rest.substr(0, end);
        if (!out.empty()) out += ' ';
        out += is_particular(word) ? std::string_view("...") : word;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    out.resize(std::min(out.size(), reason_bytes_max));
    return out;
}

template <class NameOf>
Grouping::Entry& Grouping::group_of(const void* identity, const NameOf& name_of) {
    const auto hash = (reinterpret_cast<std::uintptr_t>(identity) >> 3) * 0x9e3779b97f4a7c15u;
    auto& recent = recent_[hash >> 52];
    if (recent.group != nullptr && recent.identity == identity) return *recent.group;
    ++names_this_turn_;
    const auto name = name_of();
    auto found = groups_.find(name);
    if (found == groups_.end()) {
        if (groups_.size() >= groups_max) return overflow_;
        found = groups_.emplace(std::string(name), Entry{}).first;
    }
    recent = {identity, &found->second};
    return found->second;
}

void Grouping::count(Entry& group, const MessageHit& hit, const RecipientHit& recipient) {
    if (std::exchange(group.last, hit.id) != hit.id) group.totals.add_message(hit);
    group.totals.add_recipient(recipient);
}

bool Grouping::add(const MessageHit& hit, std::size_t /*shard*/) {
    totals_.add(hit);
    for (const auto& recipient : hit.recipients) {
        switch (by_) {
            case GroupBy::destination:
                count(group_of(recipient.destination.data(), [&] { return recipient.destination; }),
                      hit, recipient);
                break;
            case GroupBy::domain:
                count(group_of(recipient.domain.data(), [&] { return recipient.domain; }), hit,
                      recipient);
                break;
            case GroupBy::sender:
                count(group_of(hit.sender.data(), [&] { return hit.sender; }), hit, recipient);
                break;
            case GroupBy::reason:
                count(group_of(recipient.error_identity,
                               [&] { return reason_group(recipient.error); }),
                      hit, recipient);
                break;
            case GroupBy::state: {
                const auto name = to_string(recipient.state);
                count(group_of(name.data(), [&] { return name; }), hit, recipient);
                break;
            }
        }
    }
    return names_this_turn_ < names_a_turn_max;
}

std::vector<const Grouping::Groups::value_type*> Grouping::sorted() const {
    std::vector<const Groups::value_type*> all;
    all.reserve(groups_.size());
    for (const auto& group : groups_) all.push_back(&group);
    std::ranges::sort(all, [](const auto* a, const auto* b) {
        const auto more = b->second.totals.messages <=> a->second.totals.messages;
        return more != 0 ? more < 0 : a->first < b->first;
    });
    return all;
}

std::vector<Grouping::Group> Grouping::take(std::size_t limit) const {
    std::vector<Group> groups;
    for (const auto* group : sorted()) {
        if (groups.size() == limit) break;
        groups.push_back({group->first, group->second.totals});
    }
    return groups;
}

Grouping::Group Grouping::others(std::size_t limit) const {
    Group others{.name = {}, .totals = overflow_.totals};
    const auto all = sorted();
    for (std::size_t i = limit; i < all.size(); ++i) others.totals.add(all[i]->second.totals);
    return others;
}

}  // namespace mta::api
