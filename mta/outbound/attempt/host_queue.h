#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mta/base/handle_timers.h"
#include "mta/base/time.h"
#include "mta/outbound/attempt/attempt_handle.h"
#include "mta/outbound/destination/host_limits.h"
#include "queue/handles.h"

namespace mta::outbound {

// Attempts that wait for room at a host, in the order in which they came: at most one of each site,
// because the one that is called brings the site's other mail along.
//
//   enter() -> the host has room       take_hosts(), first_at(): the owner admits the attempt
//           -> a recipient expires     take_expired(): the owner puts the attempt back in line
//           -> leave() at any time
//
// Every entry has a clock or an event that calls it: the end of a connection to the host
// (look_at()), the end of the host's closure, or the expiry of a recipient.
class HostQueue {
public:
    using HostPtr = HostLimits::HostPtr;
    struct Entry {
        AttemptHandle attempt;
        HostPtr host;
    };

    // `request_tick` is called whenever take_hosts() may have something new.
    HostQueue(Instant start, std::function<void()> request_tick)
        : request_tick_(std::move(request_tick)), expiries_(start) {}

    // At the end of the host's queue. No attempt of the site may be in a queue yet.
    // `expires_at`: when the first recipient is given up; Instant::max(): never.
    void enter(queue::SiteHandle site, Entry entry, Instant now, Instant expires_at);
    // Does nothing if no attempt of the site waits.
    void leave(queue::SiteHandle site);
    // Null if no attempt of the site waits.
    [[nodiscard]] const Entry* find(queue::SiteHandle site) const;
    void set_expiry(queue::SiteHandle site, Instant expires_at);
    [[nodiscard]] std::vector<queue::SiteHandle> sites() const;

    // The host may have room, or is to be looked at whatever it has said.
    void look_at(HostPtr host);
    // Each host that may have room now. The owner serves them one after the other: as long as
    // first_at() names an attempt it takes that out of the queue; then end_service().
    [[nodiscard]] std::vector<HostPtr> take_hosts(Instant now);
    // The attempt whose turn it is; empty if none waits or the host has no room.
    [[nodiscard]] AttemptHandle first_at(const HostLimits::Host& host, Instant now) const;
    void end_service(const HostPtr& host, Instant now);
    // Sites whose attempt has a recipient that expires now. They stay in the queue.
    [[nodiscard]] std::vector<queue::SiteHandle> take_expired(Instant now);
    [[nodiscard]] std::optional<Instant> next_wakeup() const;

    // For tests: every attempt that waits is going to be called. Empty if so, else what is wrong.
    [[nodiscard]] std::string check(Instant now) const;

private:
    std::function<void()> request_tick_;
    std::unordered_map<queue::SiteHandle, Entry> entries_;
    HandleTimers<queue::SiteHandle> expiries_;
    std::vector<HostPtr> to_look_at_;
    std::vector<std::pair<Instant, std::weak_ptr<HostLimits::Host>>> closures_;  // a heap
};

// A slot at a host that is kept for an attempt which was called from the queue, until the attempt
// has its connection or goes elsewhere: destroying it gives the slot up.
class HostSlot {
public:
    HostSlot() = default;
    HostSlot(HostQueue& queue, HostLimits::HostPtr host) : queue_(&queue), host_(std::move(host)) {
        ++host_->called;
    }
    HostSlot(HostSlot&& other) noexcept
        : queue_(other.queue_), host_(std::exchange(other.host_, nullptr)) {}
    HostSlot& operator=(HostSlot&& other) noexcept {
        std::swap(queue_, other.queue_);
        std::swap(host_, other.host_);
        return *this;
    }
    HostSlot(const HostSlot&) = delete;
    HostSlot& operator=(const HostSlot&) = delete;
    ~HostSlot() {
        if (!host_) return;
        --host_->called;
        queue_->look_at(std::move(host_));
    }

    // Null if no slot is kept.
    [[nodiscard]] const HostLimits::Host* host() const { return host_.get(); }

private:
    HostQueue* queue_ = nullptr;
    HostLimits::HostPtr host_;
};

}  // namespace mta::outbound
