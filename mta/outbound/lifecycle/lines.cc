#include "mta/outbound/lifecycle/lines.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {

using State = queue::Bundle::State;

namespace {

// The number of bundles standing aside that one come_back() looks at.
constexpr std::uint32_t called_back_max = 100;

// From so many recipients on, a message's bundles are found by an index.
constexpr std::uint32_t many_recipients = 32;

}  // namespace

template <class Visit>
void Lines::for_each_of(queue::BundleHandle bundle, const Visit& visit) const {
    const auto& of = bundles_[bundle];
    const auto recipients = scheduler_.table().recipients(of.message);
    auto left = of.recipients;
    for (auto number = of.first_recipient; left > 0 && number < recipients.size(); ++number) {
        if (recipients[number].bundle != bundle) continue;
        --left;
        if (!visit(recipients[number], number)) return;
    }
}

void Lines::enter(queue::BundleHandle bundle, queue::RecipientEntry& recipient,
                  std::uint32_t number) {
    auto& entered = bundles_[bundle];
    recipient.bundle = bundle;
    ++entered.recipients;
    entered.first_recipient = std::min(entered.first_recipient, number);
}

void Lines::line_up_due(queue::MessageHandle message) {
    const auto now = context_.now();
    auto& table = scheduler_.table();
    const auto source = router_->source_of(table.message(message));
    const auto recipients = table.recipients(message);
    for (std::uint32_t number = 0; number < recipients.size(); ++number) {
        auto& recipient = recipients[number];
        if (!recipient.is_waiting() || recipient.due > now) continue;
        const auto site = router_->site_for(recipient.domain, source);
        const auto state = site ? State::lined_up : State::routing;
        const Spot spot{site ? queue::DomainHandle{} : recipient.domain, site};
        auto bundle = recipient.goes_alone ? queue::BundleHandle{} : find(message, spot);
        if (!bundle) {
            bundle = add(message, state, spot, recipient.goes_alone);
            bundles_[bundle].is_retry = recipient.attempts > 0 || recipient.stalls > 0;
            if (site) {
                sites_[site].destination.bundles().line_up(bundles_, bundle);
            } else {
                router_->park(recipient.domain, bundle);
            }
        }
        enter(bundle, recipient, number);
        if (site) sites_.refresh(site);
    }
}

void Lines::on_routed(queue::DomainHandle domain) {
    while (const auto bundle = router_->first_parked(domain)) {
        router_->unpark(domain, bundle);
        const auto message = bundles_[bundle].message;
        const auto site =
            router_->site_for(domain, router_->source_of(scheduler_.table().message(message)));
        MTA_ASSERT(site);
        const Spot spot{{}, site};
        const auto present =
            bundles_[bundle].is_of_one ? queue::BundleHandle{} : find(message, spot);
        if (present) {
            move_recipients({.from = bundle, .to = present},
                            std::numeric_limits<std::size_t>::max());
            remove(bundle);
            continue;
        }
        unfile(bundle);
        bundles_[bundle].state = State::lined_up;
        bundles_[bundle].domain = {};
        bundles_[bundle].site = site;
        bundles_[bundle].failures_seen = failures_at(spot);
        file(bundle);
        sites_[site].destination.bundles().line_up(bundles_, bundle);
        sites_.refresh(site);
    }
}

bool Lines::has_failed(const queue::RecipientEntry& recipient) const {
    const auto& bundle = bundles_[recipient.bundle];
    return bundle.failures_seen != failures_at(spot_of(bundle));
}

std::uint32_t Lines::failures_at(const Spot& spot) const {
    return spot.site ? sites_[spot.site].failed_attempts : router_->failures_of(spot.domain);
}

void Lines::follow_leap() {
    for (const auto handle : bundles_.handles()) {
        auto& bundle = bundles_[handle];
        if (!bundle.message) continue;  // a free one
        bundle.failures_seen = failures_at(spot_of(bundle));
    }
}

void Lines::leave(queue::MessageHandle message, queue::RecipientEntry& recipient) {
    if (!recipient.bundle) return;
    recipient.is_tried = recipient.is_tried || has_failed(recipient);
    const auto bundle = std::exchange(recipient.bundle, {});
    MTA_ASSERT(bundles_[bundle].message == message);
    recipient.is_delivering = false;
    if (--bundles_[bundle].recipients > 0) return;
    leave_line(bundle);
    remove(bundle);
}

queue::BundleHandle Lines::take(queue::SiteHandle site, std::size_t recipients_max) {
    auto& destination = sites_[site].destination;
    const auto first = destination.bundles().take_turn();
    auto taken = first;
    if (bundles_[first].recipients > recipients_max) {
        taken = add_part(first, State::delivering);
        move_recipients({.from = first, .to = taken}, recipients_max);
    } else {
        destination.bundles().leave(bundles_, first);
        unfile(first);
        bundles_[first].state = State::delivering;
    }
    for_each_of(taken, [](queue::RecipientEntry& recipient, std::uint32_t) {
        recipient.is_delivering = true;
        return true;
    });
    return taken;
}

// A bundle is set aside at most once for each time that it was lined up, so the cost of the loop is
// bounded by that of lining up.
bool Lines::make_way(queue::SiteHandle site) {
    auto& destination = sites_[site].destination;
    auto& suspects = sites_[site].suspects;
    suspects.forget_old(context_.now());
    std::vector<std::uint32_t> suspected;
    while (true) {
        if (destination.bundles().in_line() == 0 && destination.bundles().aside() > 0)
            come_back(site);
        if (destination.bundles().in_line() == 0) return false;
        if (suspects.is_empty()) return true;
        const auto next = destination.bundles().next();
        const auto& bundle = bundles_[next];
        suspected.clear();
        for_each_of(next, [&](const queue::RecipientEntry& recipient, std::uint32_t number) {
            const auto mailbox = recipient.address_hash;
            const bool is_to_wait = bundle.has_stood_aside
                                        ? suspects.is_held(mailbox, bundle.sender)
                                        : suspects.is_suspected(mailbox, bundle.sender);
            if (is_to_wait) suspected.push_back(number);
            return true;
        });
        if (suspected.empty()) return true;
        for (const auto number : suspected) set_aside(next, number);
        suspects.look_again();
    }
}

// Sets one recipient of a bundle aside: in a bundle of its own, or in this one if it is alone.
void Lines::set_aside(queue::BundleHandle bundle, std::uint32_t number) {
    const auto site = bundles_[bundle].site;
    const auto message = bundles_[bundle].message;
    auto& recipient = scheduler_.table().recipient(scheduler_.table().message(message), number);
    recipient.goes_alone = true;
    auto alone = bundle;
    if (bundles_[bundle].recipients > 1) {
        alone = add_part(bundle, State::lined_up, true);
        enter(alone, recipient, number);
        --bundles_[bundle].recipients;
    } else {
        unfile(bundle);
        bundles_[bundle].is_of_one = true;
        sites_[site].destination.bundles().leave(bundles_, bundle);
    }
    bundles_[alone].has_stood_aside = true;
    sites_[site].destination.bundles().set_aside(bundles_, alone);
}

void Lines::come_back(queue::SiteHandle site) {
    auto& destination = sites_[site].destination;
    auto& suspects = sites_[site].suspects;
    std::vector<std::uint32_t> called;  // mailboxes
    for (auto left = std::min(destination.bundles().aside(), called_back_max); left > 0; --left) {
        const auto bundle = destination.bundles().take_from_aside(bundles_);
        auto mailbox = std::uint32_t{};
        for_each_of(bundle, [&](const queue::RecipientEntry& recipient, std::uint32_t) {
            mailbox = recipient.address_hash;
            return false;
        });
        const auto sender = bundles_[bundle].sender;
        if (suspects.is_held(mailbox, sender) ||
            std::ranges::find(called, mailbox) != called.end()) {
            destination.bundles().set_aside(bundles_, bundle);
            continue;
        }
        if (suspects.is_suspected(mailbox, sender)) {
            called.push_back(mailbox);
        } else {
            suspects.look_again();
        }
        destination.bundles().line_up(bundles_, bundle);
    }
}

std::vector<std::uint32_t> Lines::recipients_of(queue::BundleHandle bundle) const {
    std::vector<std::uint32_t> numbers;
    numbers.reserve(bundles_[bundle].recipients);
    for_each_of(bundle, [&](const queue::RecipientEntry&, std::uint32_t number) {
        numbers.push_back(number);
        return true;
    });
    return numbers;
}

void Lines::put_back(queue::BundleHandle bundle, Place place) {
    auto& returned = bundles_[bundle];
    MTA_ASSERT(returned.state == State::delivering);
    const auto site = returned.site;
    const auto message = returned.message;
    auto left = returned.recipients;
    const auto numbers = recipients_of(bundle);
    for (const auto number : numbers) {
        auto& recipient = scheduler_.table().recipient(scheduler_.table().message(message), number);
        recipient.is_delivering = false;
        if (leave_if_moved(message, recipient, site)) --left;
    }
    scheduler_.rearm(message, numbers);
    if (left == 0) return;  // and the bundle is gone
    returned.state = State::lined_up;
    file(bundle);
    if (place == Place::first) {
        sites_[site].destination.bundles().line_up_first(bundles_, bundle);
    } else {
        sites_[site].destination.bundles().line_up(bundles_, bundle);
    }
    sites_.refresh(site);
}

bool Lines::leave_if_moved(queue::MessageHandle message, queue::RecipientEntry& recipient,
                           queue::SiteHandle site) {
    const auto source = router_->source_of(scheduler_.table().message(message));
    const auto right_site = router_->site_for(recipient.domain, source);
    if (right_site == site) return false;
    if (!right_site && !router_->sites_of(recipient.domain).empty()) {
        router_->look_up_anew(recipient.domain);
        return false;
    }
    recipient.due = context_.now();
    leave(message, recipient);
    context_.request_tick();
    return true;
}

void Lines::put_back_unharmed(queue::BundleHandle bundle) {
    const bool is_again = bundles_[bundle].has_gone_first;
    bundles_[bundle].has_gone_first = true;
    put_back(bundle, is_again ? Place::last : Place::first);
}

queue::BundleHandle Lines::split_off_others(queue::BundleHandle bundle,
                                            std::span<const std::uint32_t> kept) {
    const auto others = add_part(bundle, State::delivering);
    for_each_of(bundle, [&](queue::RecipientEntry& recipient, std::uint32_t number) {
        if (!std::ranges::binary_search(kept, number)) enter(others, recipient, number);
        return true;
    });
    bundles_[bundle].recipients -= bundles_[others].recipients;
    return others;
}

void Lines::part(queue::MessageHandle message, std::span<const std::uint32_t> numbers) {
    const auto& entry = scheduler_.table().message(message);
    for (const auto number : numbers) {
        auto& recipient = scheduler_.table().recipient(entry, number);
        recipient.goes_alone = true;
        recipient.is_undecided = numbers.size() > 1;
    }
}

void Lines::dissolve_lined_up(queue::MessageHandle message) {
    for (auto& recipient : scheduler_.table().recipients(message)) {
        if (!recipient.bundle || recipient.is_delivering) continue;
        recipient.due = context_.now();
        leave(message, recipient);
    }
}

void Lines::note_moved(queue::DomainHandle domain) {
    moved_.insert(domain);
    context_.request_tick();
}

void Lines::tick() {
    const auto& table = scheduler_.table();
    if (!walk_.is_under_way() && !moved_.is_empty()) {
        walk_.begin();
        walked_for_ = std::exchange(moved_, {});
    }
    if (!walk_.is_under_way()) return;
    walk_.step(table, [&](queue::MessageHandle message) {
        if (table.message(message).first_bundle) reroute(message);
    });
    context_.request_tick();
}

void Lines::reroute(queue::MessageHandle message) {
    bool has_moved = false;
    for (auto& recipient : scheduler_.table().recipients(message)) {
        if (!recipient.bundle || !walked_for_.contains(recipient.domain)) continue;
        const auto& bundle = bundles_[recipient.bundle];
        if (bundle.state != State::lined_up) continue;
        has_moved = leave_if_moved(message, recipient, bundle.site) || has_moved;
    }
    if (has_moved) scheduler_.rearm(message);
}

queue::BundleHandle Lines::find(queue::MessageHandle message, const Spot& spot) const {
    const auto& entry = scheduler_.table().message(message);
    if (entry.recipient_count >= many_recipients) {
        const auto found = filed_.find({message, spot});
        return found == filed_.end() ? queue::BundleHandle{} : found->second;
    }
    for (auto bundle = entry.first_bundle; bundle; bundle = bundles_[bundle].next_of_message) {
        const auto& found = bundles_[bundle];
        const bool is_waiting = found.state != State::delivering && !found.is_of_one;
        if (is_waiting && spot_of(found) == spot) return bundle;
    }
    return {};
}

// If there are two of a kind (one was put back), one of them is enough to be found.
void Lines::file(queue::BundleHandle bundle) {
    const auto& filed = bundles_[bundle];
    const auto& entry = scheduler_.table().message(filed.message);
    if (filed.state == State::delivering || filed.is_of_one) return;
    if (entry.recipient_count < many_recipients) return;
    filed_.try_emplace({filed.message, spot_of(filed)}, bundle);
}

void Lines::unfile(queue::BundleHandle bundle) {
    const auto& filed = bundles_[bundle];
    if (scheduler_.table().message(filed.message).recipient_count < many_recipients) return;
    const auto found = filed_.find({filed.message, spot_of(filed)});
    if (found != filed_.end() && found->second == bundle) filed_.erase(found);
}

queue::BundleHandle Lines::add_part(queue::BundleHandle whole, State state, bool is_of_one) {
    const auto message = bundles_[whole].message;
    const auto part = add(message, state, spot_of(bundles_[whole]), is_of_one);
    bundles_[part].is_retry = bundles_[whole].is_retry;
    bundles_[part].failures_seen = bundles_[whole].failures_seen;
    bundles_[part].has_gone_first = bundles_[whole].has_gone_first;
    return part;
}

queue::BundleHandle Lines::add(queue::MessageHandle message, State state, const Spot& spot,
                               bool is_of_one) {
    auto& entry = scheduler_.table().message(message);
    queue::Bundle bundle;
    bundle.message = message;
    bundle.sender = scheduler_.table().sender_group(entry);
    bundle.priority = scheduler_.table().requests(entry).priority;
    bundle.is_huge = entry.size_kib > queue::huge_kib_min;
    bundle.domain = spot.domain;
    bundle.site = spot.site;
    bundle.state = state;
    bundle.is_of_one = is_of_one;
    bundle.failures_seen = failures_at(spot);
    bundle.next_of_message = entry.first_bundle;
    const auto added = bundles_.add(bundle);
    if (entry.first_bundle) bundles_[entry.first_bundle].previous_of_message = added;
    entry.first_bundle = added;
    file(added);
    return added;
}

void Lines::remove(queue::BundleHandle bundle) {
    unfile(bundle);
    const auto& gone = bundles_[bundle];
    const auto next = gone.next_of_message;
    const auto previous = gone.previous_of_message;
    if (next) bundles_[next].previous_of_message = previous;
    (previous ? bundles_[previous].next_of_message
              : scheduler_.table().message(gone.message).first_bundle) = next;
    bundles_.remove(bundle);
}

void Lines::leave_line(queue::BundleHandle bundle) {
    const auto& left = bundles_[bundle];
    if (left.state == State::routing) {
        router_->unpark(left.domain, bundle);
    } else if (left.state == State::lined_up) {
        const auto site = left.site;
        sites_[site].destination.bundles().leave(bundles_, bundle);
        sites_.refresh(site);
    }
}

void Lines::move_recipients(const Move& move, std::size_t count) {
    std::uint32_t moved = 0;
    for_each_of(move.from, [&](queue::RecipientEntry& recipient, std::uint32_t number) {
        bundles_[move.from].first_recipient = number;
        if (moved == count) return false;
        enter(move.to, recipient, number);
        ++moved;
        return true;
    });
    bundles_[move.from].recipients -= moved;
}

}  // namespace mta::outbound
