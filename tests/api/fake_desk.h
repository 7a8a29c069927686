// A desk that shows what a test has put into it, and remembers its orders.
#pragma once
#include <algorithm>
#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/domain.h"
#include "mta/outbound/desk/operator_desk.h"

namespace mta::api {

class FakeDesk final : public outbound::OperatorDesk {
public:
    explicit FakeDesk(Instant start) : now(start) {}

    // What the test decides.
    std::map<queue::MessageId, outbound::MessageView> messages;  // with their envelopes
    std::vector<outbound::DestinationView> destinations;
    std::map<std::string, outbound::DomainView> domains;
    outbound::Counters figures;
    std::vector<outbound::EndingView> given_up;
    outbound::DepthSummary depths;
    mutable Instant now;
    Millis sweep_time{};  // that passes with each step of a sweep
    Millis turn_time{};   // that passes with each turn of the loop
    std::vector<outbound::TraceLine> trace_lines;
    bool has_too_many_watchers = false;
    queue::StoreResult<void> durable;             // the answer of when_durable()
    std::optional<queue::StoreError> unreadable;  // the answer of describe()
    std::size_t scan_max = 0;                     // messages a step; 0: as asked for

    // What the test looks at afterwards.
    std::vector<std::string> orders;  // "cancel 00001z #1"
    int barriers = 0;                 // calls of when_durable()
    mutable int sweeps = 0;           // steps
    mutable std::size_t scanned = 0;  // messages

    // The callbacks of describe(), which the shard runs at the end of the turn.
    std::vector<std::move_only_function<void()>> later;

    [[nodiscard]] outbound::Counters counters() const override { return figures; }
    [[nodiscard]] outbound::Latencies latencies() const override { return {}; }

    // A sweep takes three steps.
    void sweep(outbound::QueueSweep& sweep, std::size_t /*messages_max*/) const override {
        now += sweep_time;
        sweep.is_done = ++sweep.next == 3;
        ++sweeps;
    }
    [[nodiscard]] outbound::DepthSummary summarize(const outbound::QueueSweep& /*sweep*/,
                                                   std::size_t /*count*/) const override {
        return depths;
    }

    [[nodiscard]] std::optional<outbound::ScanCursor> scan(
        const outbound::MessageFilter& filter, const outbound::ScanRange& range,
        const outbound::OnHit& on_hit) const override {
        outbound::ScanCursor place = 0;
        for (const auto& [id, message] : messages) {
            if (place++ < range.from) continue;
            ++scanned;
            const auto hits = hits_in(filter, message);
            if (hits.empty()) continue;
            if (!on_hit({message.id, message.arrived, message.size_bytes, message.sender, hits,
                         message.recipients.size()}))
                return place;
            if (scan_max > 0 && place - range.from >= scan_max) return place;
        }
        return std::nullopt;
    }
    [[nodiscard]] std::optional<outbound::MessageView> find(queue::MessageId id) const override {
        const auto found = messages.find(id);
        if (found == messages.end()) return std::nullopt;
        auto view = found->second;
        view.message = nullptr;
        for (auto& recipient : view.recipients) recipient.address.clear();
        return view;
    }
    void describe(queue::MessageId id, outbound::OnDescribed on_described) override {
        later.emplace_back([this, id, answer = std::move(on_described)]() mutable {
            if (unreadable) return answer(std::unexpected(*unreadable));
            answer(messages.at(id));
        });
    }
    [[nodiscard]] std::vector<outbound::EndingView> endings(const outbound::Endings::Query& query,
                                                            std::size_t /*limit*/) const override {
        std::vector<outbound::EndingView> found;
        for (const auto& ending : given_up) {
            const bool is_meant = (query.id == 0 || ending.id == query.id) &&
                                  (query.address.empty() || ending.address == query.address) &&
                                  (query.domain.empty() || ending.address.ends_with(query.domain));
            if (is_meant) found.push_back(ending);
        }
        return found;
    }

    // In the order in which the test has put them.
    [[nodiscard]] outbound::DestinationList busy_destinations(std::size_t limit) const override {
        outbound::DestinationList list{.views = destinations, .count = destinations.size()};
        list.views.resize(std::min(limit, destinations.size()));
        return list;
    }
    [[nodiscard]] outbound::DestinationList destinations_in_trouble(
        std::size_t limit) const override {
        outbound::DestinationList list;
        for (const auto& view : destinations) {
            if (!view.down_since) continue;
            if (++list.count <= limit) list.views.push_back(view);
        }
        return list;
    }
    [[nodiscard]] std::optional<outbound::DomainView> domain(
        const std::string& domain) const override {
        const auto found = domains.find(domain);
        if (found == domains.end()) return std::nullopt;
        return found->second;
    }

    [[nodiscard]] std::expected<outbound::Tracing::Fetched, std::string> trace(
        const std::string& watcher, const std::string& what) override {
        orders.push_back("trace " + watcher + ' ' + what);
        if (has_too_many_watchers) return std::unexpected("there are 8 traces already");
        return outbound::Tracing::Fetched{.lines = trace_lines, .dropped = 1};
    }
    void end_trace(const std::string& watcher) override { orders.push_back("end " + watcher); }

    std::size_t hold(queue::MessageId id, const outbound::RecipientNumbers& only) override {
        return order("hold", id, only);
    }
    std::size_t release(queue::MessageId id, const outbound::RecipientNumbers& only) override {
        return order("release", id, only);
    }
    std::size_t flush(queue::MessageId id, const outbound::RecipientNumbers& only) override {
        return order("flush", id, only);
    }
    std::size_t cancel(queue::MessageId id, const outbound::RecipientNumbers& only) override {
        return order("cancel", id, only);
    }
    std::size_t bounce(queue::MessageId id, const std::string& reason,
                       const outbound::RecipientNumbers& only) override {
        return order("bounce \"" + reason + '"', id, only);
    }
    void when_durable(queue::Store::OnDone on_durable) override {
        ++barriers;
        on_durable(durable);
    }

private:
    std::size_t order(const std::string& what, queue::MessageId id,
                      const outbound::RecipientNumbers& only) {
        auto text = what + ' ' + queue::format_id(id);
        if (only) {
            for (const auto number : *only) text += " #" + std::to_string(number);
        }
        orders.push_back(text);
        const auto found = messages.find(id);
        if (found == messages.end()) return 0;
        return only ? only->size() : found->second.recipients.size();
    }

    // An address has the hash of its first letter, so that there are collisions.
    static bool has_hash_of(const std::string& wanted, const std::string& address) {
        return equals_ignoring_case(wanted.substr(0, 1), address.substr(0, 1));
    }
    // Knows the parts of a filter that the tests use.
    static bool may_match(const outbound::MessageFilter& filter,
                          const outbound::MessageView& message,
                          const outbound::RecipientView& recipient) {
        const auto& m = filter;
        return (!m.id || *m.id == message.id) && (!m.sender || *m.sender == message.sender) &&
               (!m.arrived_before || message.arrived < *m.arrived_before) &&
               (!m.arrived_after || message.arrived > *m.arrived_after) &&
               (m.domain.empty() || m.domain == recipient.domain) &&
               (m.recipient.empty() || has_hash_of(m.recipient, recipient.address)) &&
               (!m.state || *m.state == recipient.state);
    }
    static std::vector<outbound::RecipientHit> hits_in(const outbound::MessageFilter& filter,
                                                       const outbound::MessageView& message) {
        std::vector<outbound::RecipientHit> hits;
        for (const auto& recipient : message.recipients) {
            if (!may_match(filter, message, recipient)) continue;
            const auto* const error = recipient.last_error ? &*recipient.last_error : nullptr;
            hits.push_back(
                {.number = recipient.number,
                 .attempts = recipient.attempts,
                 .state = recipient.state,
                 .error = error,
                 .error_identity = error,
                 .domain = recipient.domain,
                 .destination = recipient.destination,
                 .next_attempt = recipient.next_attempt,
                 .is_for_later = recipient.reason == outbound::WaitReason::future_release});
        }
        return hits;
    }
};

}  // namespace mta::api
