// Deliveries to sites that have not answered yet.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "mta/outbound/deliveries.h"

namespace mta::outbound {
namespace {

// Of so many probes in a row one has all the time that the settings give.
constexpr std::uint32_t full_probe_every = 4;
constexpr std::size_t few = 64;

}  // namespace

void Deliveries::begin_trial(const DeliveryPtr& delivery) {
    if (delivery->trial) return;
    delivery->trial = parts_.sites.begin_trial(delivery->site);
    if (!delivery->trial) return;
    const auto failures = parts_.sites[delivery->site].destination.health().failures();
    auto& trials = delivery->is_probe() ? probes_ : first_attempts_;
    // One that lasts long keeps those behind it that are over.
    if (trials.size() > 2 * all_.size() + few) std::erase_if(trials, is_over);
    const bool has_all_its_time = delivery->is_probe() && failures % full_probe_every == 0;
    trials.push_back({core_.now(), delivery, has_all_its_time});
}

bool Deliveries::is_over(const Trial& trial) {
    const auto delivery = trial.delivery.lock();
    return !delivery || !delivery->trial;
}

bool Deliveries::is_wanted(const Trial& trial) const {
    const auto delivery = trial.delivery.lock();
    if (!delivery || !delivery->trial) return false;
    if (trial.has_all_its_time || delivery->purpose == Purpose::ordered_probe)
        return parts_.sites.do_untried_wait();
    return parts_.sites.is_wanted(*delivery->trial);
}

void Deliveries::end_trial(Delivery& delivery) {
    if (const auto trial = std::exchange(delivery.trial, std::nullopt))
        parts_.sites.end_trial(*trial);
}

// The oldest whose place is wanted.
std::optional<std::size_t> Deliveries::first_wanted(const Trials& trials) const {
    if (!parts_.sites.is_wanted(Standing::silent)) return std::nullopt;  // nor is any other
    for (std::size_t i = 0; i < trials.size(); ++i)
        if (is_wanted(trials[i])) return i;
    return std::nullopt;
}

// Each that is broken off lets one go that waits: that one begins before the next tick.
void Deliveries::break_trials_off() {
    break_off_overdue(first_attempts_, patience);
    break_off_overdue(probes_, probe_patience);
}

void Deliveries::break_off_overdue(Trials& trials, Millis time) {
    while (!trials.empty() && is_over(trials.front())) trials.pop_front();
    while (const auto first = first_wanted(trials)) {
        auto trial = trials[*first];
        if (trial.begun + time > core_.now()) return;
        trials.erase(trials.begin() + static_cast<std::ptrdiff_t>(*first));
        const auto delivery = trial.delivery.lock();
        if (delivery->connection == queue::nothing) {
            trial.begun = core_.now();  // it is not that far yet
            trials.push_back(std::move(trial));
        } else {
            break_off(delivery, time);
        }
    }
}

std::optional<Instant> Deliveries::next_break_off() const {
    std::optional<Instant> next;
    const auto consider = [&](const Trials& trials, Millis time) {
        const auto first = first_wanted(trials);
        if (!first) return;
        const auto at = trials[*first].begun + time;
        next = std::min(next.value_or(at), at);
    };
    consider(first_attempts_, patience);
    consider(probes_, probe_patience);
    return next;
}

// It counts against the address and the site, which is down now and will be probed. A first attempt
// is not the one after which mail may expire; a probe is.
void Deliveries::break_off(const DeliveryPtr& delivery, Millis time) {
    const auto connection = delivery->connection;
    if (connection == queue::nothing || work_of(connection).opening != delivery) return;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
    delivery->host_error =
        DeliveryError{.status = {4, 4, 1},
                      .scope = Scope::host,
                      .text = "no answer within " + std::to_string(seconds) +
                              " s, while other destinations waited for a connection; a later "
                              "attempt waits longer",
                      .remote = pool_[connection].remote()};
    pool_.note_failure(connection, *delivery->host_error);
    work_of(connection) = {};
    delivery->connection = queue::nothing;
    pool_.abort(connection);
    auto& failed_attempts = parts_.sites[delivery->site].failed_attempts;
    const auto failed_before = failed_attempts;
    note_host_failure(*delivery, *delivery->host_error);
    if (!delivery->is_probe()) failed_attempts = failed_before;
    give_up(delivery);
}

}  // namespace mta::outbound
