#include "mta/outbound/lines.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {

using State = queue::Bundle::State;

namespace {

// Messages looked at in one turn of the loop.
constexpr std::uint32_t walk_slice = 20'000;

}  // namespace

void Lines::line_up_due(std::uint32_t message) {
    const auto now = core_.now();
    auto& table = core_.table();
    const auto source = router_->source_of(table.message(message));
    for (auto& recipient : table.recipients(message)) {
        if (!recipient.is_waiting() || recipient.due > now) continue;
        const auto site = router_->site_for(recipient.domain, source);
        const auto state = site ? State::lined_up : State::routing;
        const auto place = site ? *site : recipient.domain;
        auto bundle = recipient.goes_alone ? queue::nothing : find(message, state, place);
        if (bundle == queue::nothing) {
            bundle = add(message, state, place);
            core_.bundles[bundle].is_of_one = recipient.goes_alone;
            core_.bundles[bundle].is_retry = recipient.attempts > 0 || recipient.stalls > 0;
            if (site) {
                sites_[*site].destination.line_up(core_.bundles, bundle);
            } else {
                router_->park(recipient.domain, bundle);
            }
        }
        recipient.bundle = bundle;
        ++core_.bundles[bundle].recipients;
        if (site) sites_.refresh(*site);
    }
}

void Lines::on_routed(std::uint32_t domain) {
    for (auto bundle = router_->first_parked(domain); bundle != queue::nothing;
         bundle = router_->first_parked(domain)) {
        router_->unpark(domain, bundle);
        const auto message = core_.bundles[bundle].message;
        const auto site =
            router_->site_for(domain, router_->source_of(core_.table().message(message)));
        MTA_ASSERT(site);
        const auto present = core_.bundles[bundle].is_of_one
                                 ? queue::nothing
                                 : find(message, State::lined_up, *site);
        if (present != queue::nothing) {
            move_recipients(bundle, present, 0, std::numeric_limits<std::size_t>::max());
            remove(bundle);
            continue;
        }
        core_.bundles[bundle].state = State::lined_up;
        core_.bundles[bundle].place = *site;
        sites_[*site].destination.line_up(core_.bundles, bundle);
        sites_.refresh(*site);
    }
}

void Lines::leave(std::uint32_t message, queue::RecipientEntry& recipient) {
    const auto bundle = std::exchange(recipient.bundle, queue::nothing);
    if (bundle == queue::nothing) return;
    MTA_ASSERT(core_.bundles[bundle].message == message);
    recipient.is_delivering = false;
    if (--core_.bundles[bundle].recipients > 0) return;
    leave_line(bundle);
    remove(bundle);
}

std::uint32_t Lines::take(std::uint32_t site, std::size_t recipients_max) {
    auto& destination = sites_[site].destination;
    const auto first = destination.take_turn();
    auto taken = first;
    if (core_.bundles[first].recipients > recipients_max) {
        const auto message = core_.bundles[first].message;
        taken = add(message, State::delivering, site);
        core_.bundles[taken].is_retry = core_.bundles[first].is_retry;
        move_recipients(first, taken, 0, recipients_max);
    } else {
        destination.leave(core_.bundles, first);
        core_.bundles[first].state = State::delivering;
    }
    for (auto& recipient : core_.table().recipients(core_.bundles[taken].message))
        if (recipient.bundle == taken) recipient.is_delivering = true;
    return taken;
}

std::vector<std::uint32_t> Lines::recipients_of(std::uint32_t bundle) const {
    std::vector<std::uint32_t> numbers;
    numbers.reserve(core_.bundles[bundle].recipients);
    const auto recipients = core_.table().recipients(core_.bundles[bundle].message);
    for (std::uint32_t number = 0; number < recipients.size(); ++number)
        if (recipients[number].bundle == bundle) numbers.push_back(number);
    return numbers;
}

void Lines::put_back(std::uint32_t bundle, Place place) {
    auto& returned = core_.bundles[bundle];
    MTA_ASSERT(returned.state == State::delivering);
    const auto site = returned.place;
    const auto message = returned.message;
    auto left = returned.recipients;
    for (auto& recipient : core_.table().recipients(message)) {
        if (recipient.bundle != bundle) continue;
        recipient.is_delivering = false;
        if (leave_if_moved(message, recipient, site)) --left;
    }
    core_.scheduler.rearm(message);
    if (left == 0) return;  // and the bundle is gone
    returned.state = State::lined_up;
    if (place == Place::first) {
        sites_[site].destination.line_up_first(core_.bundles, bundle);
    } else {
        sites_[site].destination.line_up(core_.bundles, bundle);
    }
    sites_.refresh(site);
}

bool Lines::leave_if_moved(std::uint32_t message, queue::RecipientEntry& recipient,
                           std::uint32_t site) {
    const auto source = router_->source_of(core_.table().message(message));
    const auto right_site = router_->site_for(recipient.domain, source);
    if (right_site == site) return false;
    if (!right_site && !router_->sites_of(recipient.domain).empty()) {
        router_->look_up_anew(recipient.domain);
        return false;
    }
    recipient.due = core_.now();
    leave(message, recipient);
    core_.request_tick();
    return true;
}

void Lines::put_back_others(std::uint32_t bundle, std::span<const std::uint32_t> kept) {
    if (core_.bundles[bundle].recipients <= kept.size()) return;
    const auto message = core_.bundles[bundle].message;
    const auto rest = add(message, State::delivering, core_.bundles[bundle].place);
    core_.bundles[rest].is_retry = core_.bundles[bundle].is_retry;
    const auto recipients = core_.table().recipients(message);
    for (std::uint32_t number = 0; number < recipients.size(); ++number) {
        if (recipients[number].bundle != bundle) continue;
        if (!std::ranges::binary_search(kept, number)) {
            recipients[number].bundle = rest;
            ++core_.bundles[rest].recipients;
        }
    }
    core_.bundles[bundle].recipients -= core_.bundles[rest].recipients;
    put_back(rest);
}

void Lines::part(std::uint32_t message, std::span<const std::uint32_t> numbers) {
    const auto& entry = core_.table().message(message);
    for (const auto number : numbers) core_.table().recipient(entry, number).goes_alone = true;
}

void Lines::dissolve_lined_up(std::uint32_t message) {
    for (auto& recipient : core_.table().recipients(message)) {
        if (recipient.bundle == queue::nothing || recipient.is_delivering) continue;
        recipient.due = core_.now();
        leave(message, recipient);
    }
}

void Lines::note_moved(std::uint32_t domain) {
    moved_.push_back(domain);
    core_.request_tick();
}

void Lines::tick() {
    const auto& table = core_.table();
    if (!cursor_ && !moved_.empty()) {
        cursor_ = 0;
        walked_for_.assign(table.domain_index_end(), false);
        for (const auto domain : std::exchange(moved_, {})) walked_for_[domain] = true;
    }
    if (!cursor_) return;
    const auto end = std::min(*cursor_ + walk_slice, table.message_index_end());
    for (; *cursor_ < end; ++*cursor_)
        if (table.message(*cursor_).first_bundle != queue::nothing) reroute(*cursor_);
    core_.request_tick();
    if (*cursor_ >= table.message_index_end()) cursor_.reset();
}

void Lines::reroute(std::uint32_t message) {
    bool has_moved = false;
    for (auto& recipient : core_.table().recipients(message)) {
        const auto domain = recipient.domain;
        if (recipient.bundle == queue::nothing || domain >= walked_for_.size()) continue;
        const auto& bundle = core_.bundles[recipient.bundle];
        if (!walked_for_[domain] || bundle.state != State::lined_up) continue;
        has_moved = leave_if_moved(message, recipient, bundle.place) || has_moved;
    }
    if (has_moved) core_.scheduler.rearm(message);
}

std::uint32_t Lines::find(std::uint32_t message, State state, std::uint32_t place) const {
    for (auto bundle = core_.table().message(message).first_bundle; bundle != queue::nothing;
         bundle = core_.bundles[bundle].next_of_message) {
        const auto& found = core_.bundles[bundle];
        if (found.state == state && found.place == place && !found.is_of_one) return bundle;
    }
    return queue::nothing;
}

std::uint32_t Lines::add(std::uint32_t message, State state, std::uint32_t place) {
    auto& entry = core_.table().message(message);
    queue::Bundle bundle;
    bundle.message = message;
    bundle.sender = core_.table().sender_group(entry);
    bundle.priority = core_.table().requests(entry).priority;
    bundle.is_huge = entry.size_kib > queue::huge_kib_min;
    bundle.place = place;
    bundle.state = state;
    bundle.next_of_message = entry.first_bundle;
    entry.first_bundle = core_.bundles.add(bundle);
    return entry.first_bundle;
}

void Lines::remove(std::uint32_t bundle) {
    auto* link = &core_.table().message(core_.bundles[bundle].message).first_bundle;
    while (*link != bundle) link = &core_.bundles[*link].next_of_message;
    *link = core_.bundles[bundle].next_of_message;
    core_.bundles.remove(bundle);
}

void Lines::leave_line(std::uint32_t bundle) {
    const auto& left = core_.bundles[bundle];
    if (left.state == State::routing) {
        router_->unpark(left.place, bundle);
    } else if (left.state == State::lined_up) {
        const auto site = left.place;
        sites_[site].destination.leave(core_.bundles, bundle);
        sites_.refresh(site);
    }
}

void Lines::move_recipients(std::uint32_t from, std::uint32_t to, std::size_t skip,
                            std::size_t count) {
    std::size_t seen = 0;
    std::uint32_t moved = 0;
    for (auto& recipient : core_.table().recipients(core_.bundles[from].message)) {
        if (recipient.bundle != from || seen++ < skip) continue;
        if (moved == count) break;
        recipient.bundle = to;
        ++moved;
    }
    core_.bundles[from].recipients -= moved;
    core_.bundles[to].recipients += moved;
}

}  // namespace mta::outbound
