// Deliveries to sites that have not answered yet.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "mta/outbound/attempt/deliveries.h"

namespace mta::outbound {
namespace {

// Of so many probes in a row one has Deliveries::long_probe_patience.
constexpr std::uint32_t long_probe_every = 4;
constexpr std::size_t few = 64;

}  // namespace

void Deliveries::begin_trial(const DeliveryPtr& delivery) {
    if (delivery->trial) return;
    delivery->trial = parts_.sites.begin_trial(delivery->site);
    if (!delivery->trial) return;
    // One that lasts long keeps those behind it that are over.
    if (trials_.size() > 2 * all_.size() + few) std::erase_if(trials_, is_over);
    const auto failures = parts_.sites[delivery->site].destination.health().failures();
    const auto of_probe = failures % long_probe_every == 0 ? long_probe_patience : probe_patience;
    trials_.push_back({context_.now(), delivery, delivery->is_probe() ? of_probe : patience});
}

// At another host, after a transaction that came to nothing: it has all its time again.
void Deliveries::begin_trial_afresh(const DeliveryPtr& delivery) {
    end_trial(*delivery);
    std::erase_if(trials_, [&](const Trial& trial) { return trial.delivery.lock() == delivery; });
    begin_trial(delivery);
}

bool Deliveries::is_over(const Trial& trial) {
    const auto delivery = trial.delivery.lock();
    return !delivery || !delivery->trial || *delivery->trial == TrialPlace::sent;
}

// Since its beginning, and in a transaction since the last reply.
Instant Deliveries::silent_since(const Trial& trial, const Delivery& delivery) const {
    if (!delivery.connection) return trial.begun;
    return std::max(trial.begun, pool_[delivery.connection].silent_since().value_or(trial.begun));
}

void Deliveries::send_trial(ConnectionHandle connection) {
    const auto& active = work_of(connection).active;
    if (active.empty() || !active.front()->trial) return;
    if (*active.front()->trial != TrialPlace::sent) parts_.sites.send_trial(*active.front()->trial);
}

void Deliveries::end_trial(Delivery& delivery) {
    if (const auto trial = std::exchange(delivery.trial, std::nullopt))
        parts_.sites.end_trial(*trial);
}

// The one whose place is wanted and whose time ends first.
std::optional<Deliveries::BreakOff> Deliveries::next_break_off() const {
    if (!parts_.sites.is_wanted(TrialPlace::silent)) return std::nullopt;  // nor is any other
    // A place of their own, in which one may have all its time, is the silent ones' if there is
    // more than one place in all.
    const bool is_hurried = parts_.sites.do_untried_wait() && !parts_.sites.have_silent_their_own();
    std::optional<BreakOff> next;
    for (std::size_t i = 0; i < trials_.size(); ++i) {
        const auto delivery = trials_[i].delivery.lock();
        if (!delivery || !delivery->trial || !parts_.sites.is_wanted(*delivery->trial)) continue;
        const bool is_ordered = delivery->purpose == Purpose::ordered_probe;
        auto time = is_ordered ? long_probe_patience : trials_[i].patience;
        if (is_hurried) time = std::min(time, probe_patience);
        const auto at = silent_since(trials_[i], *delivery) + time;
        if (!next || at < next->at) next = BreakOff{i, at};
    }
    return next;
}

// Each that is broken off lets one go that waits: that one begins before the next tick.
void Deliveries::break_trials_off() {
    while (!trials_.empty() && is_over(trials_.front())) trials_.pop_front();
    for (auto next = next_break_off(); next && next->at <= context_.now();
         next = next_break_off()) {
        auto trial = trials_[next->trial];
        trials_.erase(trials_.begin() + static_cast<std::ptrdiff_t>(next->trial));
        const auto delivery = trial.delivery.lock();
        if (delivery->is_looking_up) {
            give_connection_up(delivery);
        } else if (!may_break_off(*delivery)) {
            trial.begun = context_.now();  // it is not that far yet
            trials_.push_back(std::move(trial));
        } else {
            break_off(delivery, context_.now() - silent_since(trial, *delivery));
        }
    }
}

bool Deliveries::may_break_off(const Delivery& delivery) const {
    if (!delivery.connection) return false;
    const auto& work = work_[delivery.connection.index()];
    const bool is_alone = work.active.size() == 1 && work.active.front().get() == &delivery;
    return work.opening.get() == &delivery ||
           (is_alone && !pool_[delivery.connection].is_past_final_dot());
}

// It counts against the address and the site, which is down now and will be probed. A first attempt
// is not the one after which mail may expire; a probe is.
void Deliveries::break_off(const DeliveryPtr& delivery, Millis time) {
    const auto connection = delivery->connection;
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
    delivery->connection = {};
    pool_.abort(connection);
    auto& failed_attempts = parts_.sites[delivery->site].failed_attempts;
    const auto failed_before = failed_attempts;
    note_host_failure(*delivery, *delivery->host_error);
    if (!delivery->is_probe()) failed_attempts = failed_before;
    give_up(delivery);
}

}  // namespace mta::outbound
