#include "mta/outbound/attempt/attempt_table.h"

#include <algorithm>
#include <variant>

#include "mta/base/assert.h"

namespace mta::outbound {

AttemptHandle AttemptTable::add(Attempt attempt) {
    const auto handle = attempts_.add(std::move(attempt));
    if (position_.size() <= handle.index()) position_.resize(handle.index() + 1);
    position_[handle.index()] = all_.size();
    all_.push_back(handle);
    count(handle, {.after = &attempts_[handle].state});
    return handle;
}

void AttemptTable::enter(AttemptHandle handle, AttemptState next) {
    auto& attempt = attempts_[handle];
    MTA_ASSERT(is_legal(attempt.state, next));
    count(handle, {.before = &attempt.state, .after = &next});
    attempt.state = std::move(next);
}

Attempt AttemptTable::remove(AttemptHandle handle) {
    count(handle, {.before = &attempts_[handle].state});
    const auto position = position_[handle.index()];
    all_[position] = all_.back();
    position_[all_[position].index()] = position;
    all_.pop_back();
    auto attempt = std::move(attempts_[handle]);
    attempts_.remove(handle);
    return attempt;
}

// The only place where a state's claims are counted.
void AttemptTable::count(AttemptHandle handle, const Change& change) {
    const auto* const before = change.before;
    const auto* const after = change.after;
    const auto& attempt = attempts_[handle];
    const auto old = before != nullptr ? claims_of(*before) : Claims{};
    const auto now = after != nullptr ? claims_of(*after) : Claims{};
    const auto old_connection = before != nullptr ? connection_of(*before) : ConnectionHandle{};
    const auto new_connection = after != nullptr ? connection_of(*after) : ConnectionHandle{};
    auto& site = parts_.sites[attempt.site];
    if (old_connection != new_connection) {
        if (old_connection) stop_using(old_connection, handle);
        if (new_connection) use(new_connection, handle);
    }
    if (old.place != now.place) {
        now.place ? ++places_ : --places_;
        now.place ? ++site.unconnected : --site.unconnected;
    }
    const bool was_exposed = old.place || old.connection;
    const bool is_exposed = now.place || now.connection;
    if (now.place && !was_exposed) begin_trial(handle);
    if (was_exposed && !is_exposed) end_trial(handle);
    if (old.is_queued && !now.is_queued) parts_.queue.leave(attempt.site);
    if (now.is_queued && !old.is_queued) {
        const auto& queued = std::get<attempt_state::Queued>(*after);
        parts_.queue.enter(attempt.site, {handle, queued.host, queued.expires_at}, now_());
        site.knows_full_host = true;
    }
    if (before != nullptr && std::holds_alternative<attempt_state::Paused>(*before))
        pauses_.clear(handle);
    if (after != nullptr)
        if (const auto* paused = std::get_if<attempt_state::Paused>(after))
            pauses_.set(handle, paused->until);
    if (old.is_queued != now.is_queued) site.is_waiting_for_host = now.is_queued;
    if (old.is_in_long_look_up != now.is_in_long_look_up)
        site.is_looking_up = now.is_in_long_look_up;
    if (old.is_queued != now.is_queued || old.is_in_long_look_up != now.is_in_long_look_up)
        parts_.sites.refresh(attempt.site);
}

std::vector<AttemptHandle> AttemptTable::take_due_pauses() {
    const auto& due = pauses_.advance(now_());
    return {due.begin(), due.end()};
}

AttemptHandle AttemptTable::of_bundle(queue::BundleHandle bundle) const {
    const auto found = std::ranges::find_if(
        all_, [&](AttemptHandle handle) { return attempts_[handle].bundle == bundle; });
    return found == all_.end() ? AttemptHandle{} : *found;
}

std::span<const AttemptHandle> AttemptTable::on(ConnectionHandle connection) const {
    if (connection.index() >= uses_.size()) return {};
    return uses_[connection.index()];
}

AttemptHandle AttemptTable::first_on(ConnectionHandle connection) const {
    const auto attempts = on(connection);
    return attempts.empty() ? AttemptHandle{} : attempts.front();
}

void AttemptTable::pass_connection_on(AttemptHandle first, AttemptHandle next) {
    const auto lead = [this](AttemptHandle handle, bool leads) {
        auto& state = attempts_[handle].state;
        if (auto* const transacting = std::get_if<attempt_state::Transacting>(&state)) {
            transacting->leads = leads;
        } else {
            std::get<attempt_state::Abandoned>(state).leads = leads;
        }
    };
    MTA_ASSERT(leads(attempts_[first].state) && !leads(attempts_[next].state));
    lead(first, false);
    lead(next, true);
}

void AttemptTable::begin_trial(AttemptHandle handle) {
    auto& attempt = attempts_[handle];
    if (attempt.trial) return;
    const auto failures = parts_.sites[attempt.site].destination.health().failures();
    attempt.trial = parts_.trials.begin(handle, attempt.site, now_(),
                                        Trials::patience_for(attempt.is_probe(), failures));
}

void AttemptTable::end_trial(AttemptHandle handle) {
    auto& attempt = attempts_[handle];
    if (attempt.trial) parts_.trials.end(*std::exchange(attempt.trial, std::nullopt));
}

void AttemptTable::send_trial(AttemptHandle handle) {
    if (const auto trial = attempts_[handle].trial) parts_.trials.send(*trial);
}

void AttemptTable::begin_trial_afresh(AttemptHandle handle) {
    end_trial(handle);
    begin_trial(handle);
}

void AttemptTable::use(ConnectionHandle connection, AttemptHandle handle) {
    if (connection.index() >= uses_.size()) uses_.resize(connection.index() + 1);
    uses_[connection.index()].push_back(handle);
}

void AttemptTable::stop_using(ConnectionHandle connection, AttemptHandle handle) {
    std::erase(uses_[connection.index()], handle);
}

std::string AttemptTable::check() const {
    std::uint32_t places = 0;
    for (const auto handle : all_) {
        const auto& attempt = attempts_[handle];
        const auto claims = claims_of(attempt.state);
        if (claims.place) ++places;
        const auto* const entry = parts_.queue.find(attempt.site);
        const bool is_in_queue = entry != nullptr && entry->attempt == handle;
        if (claims.is_queued != is_in_queue)
            return std::string("an attempt that is ") + std::string(name_of(attempt.state)) +
                   (is_in_queue ? " is" : " is not") + " in the queue of a host";
        if (attempt.trial && !claims.place && !claims.connection)
            return "an attempt without a connection is a trial";
        if (const auto connection = connection_of(attempt.state);
            connection && std::ranges::count(on(connection), handle) != 1)
            return "a connection does not know an attempt that uses it";
    }
    if (places != places_) return "the places that are counted are not those of the attempts";
    return {};
}

}  // namespace mta::outbound
