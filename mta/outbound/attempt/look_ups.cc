// Deliveries that look up the addresses of a host.
#include <algorithm>
#include <utility>
#include <vector>

#include "mta/outbound/attempt/deliveries.h"

namespace mta::outbound {

dns::Freshness Deliveries::freshness_for(const Delivery& delivery) {
    switch (delivery.purpose) {
        case Purpose::ordered_probe: return dns::Freshness::ordered;
        case Purpose::probe: return dns::Freshness::retry;
        case Purpose::mail: break;
    }
    return delivery.is_retried ? dns::Freshness::retry : dns::Freshness::cached;
}

void Deliveries::look_up(const DeliveryPtr& delivery, const conf::NextHopHost& host) {
    const bool is_static = parts_.sites[delivery->site].plan.is_static;
    delivery->is_looking_up = true;
    delivery->looks_up_since = context_.now();
    check_look_ups_at(context_.now() + long_look_up);
    parts_.resolver.look_up_addresses(
        host.host, is_static ? dns::HostOf::route : dns::HostOf::mx, freshness_for(*delivery),
        look_ups_.guard(
            [this, waiting = std::weak_ptr(delivery), port = host.port](const auto& answer) {
                const auto asking = waiting.lock();
                if (!asking || !asking->bundle) return;
                asking->is_looking_up = false;
                context_.request_tick();
                if (!answer && answer.error().kind == dns::LookupError::Kind::overloaded) {
                    // No failure of the host: it is asked for again soon.
                    --asking->next_host;
                    asking->is_paused = true;
                    paused_.emplace(context_.now() + room_wait, asking);
                    return;
                }
                note_addresses(*asking, port, answer);
                advance(asking);
            }));
}

bool Deliveries::has_expired(const Delivery& delivery) const {
    const auto& entry = parts_.scheduler.table().message(delivery.message);
    return std::ranges::any_of(delivery.recipients, [&](std::uint32_t number) {
        const auto& recipient = parts_.scheduler.table().recipient(entry, number);
        const auto end = parts_.scheduler.gives_up_at(entry, recipient);
        return end && *end <= context_.now();
    });
}

void Deliveries::check_look_ups_at(Instant when) {
    look_up_check_ = std::min(look_up_check_.value_or(when), when);
}

// The name servers of a host may be silent. Expiry does not wait for them, nor do others wait for
// the connection that the delivery may have.
void Deliveries::check_look_ups() {
    const auto now = context_.now();
    if (!look_up_check_ || now < *look_up_check_) return;
    look_up_check_.reset();
    std::vector<DeliveryPtr> expired;
    std::vector<DeliveryPtr> long_ones;
    for (const auto& delivery : all_) {
        if (!delivery->is_looking_up) continue;
        const bool is_long = now - delivery->looks_up_since >= long_look_up;
        if (has_expired(*delivery)) {
            expired.push_back(delivery);
        } else if (delivery->is_unconnected && is_long) {
            long_ones.push_back(delivery);
            check_look_ups_at(now + look_up_check_interval);
        } else {
            check_look_ups_at(now +
                              (delivery->is_unconnected ? long_look_up : look_up_check_interval));
        }
    }
    // In line again, the mail expires like any that waits there.
    for (const auto& delivery : expired) put_back(delivery, How::unknown);
    for (const auto& delivery : long_ones) give_connection_up(delivery);
}

// The rates count what begins: what begins long after it was taken would come with what is taken
// then.
void Deliveries::give_rates_back(Delivery& delivery) {
    parts_.sites[delivery.site].destination.give_back(
        delivery.taken, {.message = delivery.may_send, .connection = delivery.may_connect});
    delivery.may_send = delivery.may_connect = false;
}

// One of each site is enough: what the others look for is known when they begin again.
void Deliveries::give_connection_up(const DeliveryPtr& delivery) {
    auto& site = parts_.sites[delivery->site];
    give_rates_back(*delivery);
    if (site.is_looking_up) return put_back(delivery, How::unknown);
    set_unconnected(*delivery, false);
    end_trial(*delivery);
    site.is_looking_up = delivery->has_given_up_connection = true;
    parts_.sites.refresh(delivery->site);
    context_.request_tick();
}

std::optional<Instant> Deliveries::looks_up_since(queue::SiteHandle site) const {
    std::optional<Instant> since;
    for (const auto& delivery : all_) {
        if (delivery->site != site || !delivery->is_looking_up) continue;
        since = std::min(since.value_or(delivery->looks_up_since), delivery->looks_up_since);
    }
    return since;
}

bool Deliveries::is_place_left(queue::SiteHandle site) const {
    return connections() < connections_max_for(site) && !parts_.sites.trials_before(site);
}

// Before it opens a connection: it may have looked up for long, or waited for its rate. False:
// there is none to be had, it is in line again.
bool Deliveries::take_place_again(const DeliveryPtr& delivery) {
    if (delivery->is_unconnected) return true;
    if (!is_place_left(delivery->site)) {
        put_back(delivery, How::unknown);
        return false;
    }
    end_long_look_up(*delivery);
    set_unconnected(*delivery, true);
    begin_trial(delivery);
    return true;
}

void Deliveries::end_long_look_up(Delivery& delivery) {
    if (!std::exchange(delivery.has_given_up_connection, false)) return;
    parts_.sites[delivery.site].is_looking_up = false;
    parts_.sites.refresh(delivery.site);
}

}  // namespace mta::outbound
