// A QueueManager that shows what a test put into it and remembers its orders, on a thread of its
// own. All members are defined here, so the linker never looks for the real ones: include this in
// one file of a program only.
#pragma once
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mta/api/shard_call.h"
#include "mta/base/domain.h"
#include "mta/base/mutex.h"
#include "mta/outbound/queue_manager.h"

namespace mta::api {

// What the test decides about, and what it looks at afterwards.
struct FakeQueue {
    std::map<queue::MessageId, outbound::MessageView> messages;  // with their envelopes
    std::vector<outbound::DestinationView> destinations;
    std::map<std::string, outbound::DomainView> domains;
    outbound::Counters counters;
    std::vector<outbound::EndingView> endings;
    outbound::DepthSummary depths;
    int sweeps = 0;
    Millis sweep_time{};  // what each takes
    Instant now;
    std::vector<outbound::TraceLine> trace_lines;
    bool is_watched_enough = false;
    std::vector<std::string> orders;
    int barriers = 0;                             // waits until the orders are on disk
    queue::StoreResult<void> durable;             // "cancel 00001z #1", "flush them.example"
    std::optional<queue::StoreError> unreadable;  // the answer of describe()
    Millis turn_time{};                           // that passes with each turn
    std::size_t scan_max = 0;                     // messages a step; 0: as asked for
    std::size_t scanned = 0;
    std::vector<std::move_only_function<void()>> later;  // callbacks of describe()
};

class NoStore : public queue::Store {
public:
    queue::MessageId allocate_id() override { return 0; }
    [[nodiscard]] std::optional<queue::StoreError> refusal() const override { return {}; }
    void append_body(queue::MessageId, std::string, OnDone) override {}
    void discard_body(queue::MessageId) override {}
    void enqueue(std::shared_ptr<const queue::Message>, OnDone) override {}
    void update(queue::MessageId, queue::StateChanges,
                std::vector<std::shared_ptr<const queue::Message>>) override {}
    void finish(queue::MessageId, std::vector<std::shared_ptr<const queue::Message>>,
                OnDone) override {}
    void read(queue::MessageId, OnMessage) override {}
    void read_body(queue::MessageId, std::uint64_t, std::uint32_t, OnBytes) override {}
    void when_durable(OnDone) override {}
    void load(OnLoaded) override {}
};
class NoResolver : public dns::Resolver {
public:
    void look_up_mx(const std::string&, dns::Freshness, OnMx) override {}
    void look_up_addresses(const std::string&, dns::HostOf, dns::Freshness, OnAddresses) override {}
};
class NoConnector : public io::Connector {
public:
    ConnectId connect(const Endpoint&, const std::optional<IpAddress>&, OnConnected) override {
        return 0;
    }
    void cancel(ConnectId) override {}
};

}  // namespace mta::api

namespace mta::outbound {

struct QueueManager::Impl {
    api::FakeQueue* queue = nullptr;

    std::size_t order(const std::string& what, queue::MessageId id, const RecipientNumbers& only) {
        auto text = what + ' ' + queue::format_id(id);
        if (only) {
            for (const auto number : *only) text += " #" + std::to_string(number);
        }
        queue->orders.push_back(text);
        const auto found = queue->messages.find(id);
        if (found == queue->messages.end()) return 0;
        return only ? only->size() : found->second.recipients.size();
    }
};

// The queue comes in place of the seed.
QueueManager::QueueManager(SettingsPtr, Ports, Hooks, std::uint64_t queue)
    : impl_(std::make_unique<Impl>(Impl{reinterpret_cast<api::FakeQueue*>(queue)})) {}
QueueManager::~QueueManager() = default;

Counters QueueManager::counters() const { return impl_->queue->counters; }
// Of an address, its first letter: so that there are collisions.
bool has_hash_of(const std::string& wanted, const std::string& address) {
    return equals_ignoring_case(wanted.substr(0, 1), address.substr(0, 1));
}
// Knows the parts of a filter that tests use.
bool may_match(const MessageFilter& filter, const MessageView& message,
               const RecipientView& recipient) {
    const auto& m = filter;
    return (!m.id || *m.id == message.id) && (!m.sender || *m.sender == message.sender) &&
           (!m.arrived_before || message.arrived < *m.arrived_before) &&
           (!m.arrived_after || message.arrived > *m.arrived_after) &&
           (m.domain.empty() || m.domain == recipient.domain) &&
           (m.recipient.empty() || has_hash_of(m.recipient, recipient.address)) &&
           (!m.state || *m.state == recipient.state);
}
std::optional<ScanCursor> QueueManager::scan(const MessageFilter& filter, const ScanRange& range,
                                             const OnHit& on_hit) const {
    ScanCursor place = 0;
    for (const auto& [id, message] : impl_->queue->messages) {
        if (place++ < range.from) continue;
        std::vector<RecipientHit> hits;
        for (const auto& recipient : message.recipients) {
            if (!may_match(filter, message, recipient)) continue;
            hits.push_back(
                {.number = recipient.number,
                 .attempts = recipient.attempts,
                 .state = recipient.state,
                 .error = recipient.last_error ? &*recipient.last_error : nullptr,
                 .error_identity = recipient.last_error ? &*recipient.last_error : nullptr,
                 .domain = recipient.domain,
                 .destination = recipient.destination,
                 .next_attempt = recipient.next_attempt,
                 .is_for_later = recipient.reason == WaitReason::future_release});
        }
        ++impl_->queue->scanned;
        if (hits.empty()) continue;
        if (!on_hit({message.id, message.arrived, message.size_bytes, message.sender, hits,
                     message.recipients.size()}))
            return place;
        if (impl_->queue->scan_max > 0 && place - range.from >= impl_->queue->scan_max)
            return place;
    }
    return std::nullopt;
}
bool is_confirmed_by(const MessageFilter& filter, const MessageView& message,
                     const RecipientView& recipient) {
    const auto& m = filter;
    const auto& sender = message.sender;
    if (!message.message) return false;
    const auto id = queue::bare_message_id(message.message->message_id);
    return (m.recipient.empty() || equals_ignoring_case(m.recipient, recipient.address)) &&
           (m.message_id.empty() || m.message_id == id) &&
           (m.mention.empty() || m.mention == id || m.mention == sender ||
            m.mention == recipient.address);
}
std::optional<MessageView> QueueManager::find(queue::MessageId id) const {
    const auto found = impl_->queue->messages.find(id);
    if (found == impl_->queue->messages.end()) return std::nullopt;
    auto view = found->second;
    view.message = nullptr;
    for (auto& recipient : view.recipients) recipient.address.clear();
    return view;
}
void QueueManager::describe(queue::MessageId id, OnDescribed on_described) {
    auto& queue = *impl_->queue;
    queue.later.emplace_back([&queue, id, answer = std::move(on_described)]() mutable {
        if (queue.unreadable) return answer(std::unexpected(*queue.unreadable));
        answer(queue.messages.at(id));
    });
}
std::vector<EndingView> QueueManager::endings(const Endings::Query& query, std::size_t) const {
    std::vector<EndingView> found;
    for (const auto& ending : impl_->queue->endings) {
        const bool is_meant = (query.id == 0 || ending.id == query.id) &&
                              (query.address.empty() || ending.address == query.address) &&
                              (query.domain.empty() || ending.address.ends_with(query.domain));
        if (is_meant) found.push_back(ending);
    }
    return found;
}
Latencies QueueManager::latencies() const { return {}; }
void QueueManager::sweep(QueueSweep& sweep, std::size_t) const {
    ++impl_->queue->sweeps;
    impl_->queue->now += impl_->queue->sweep_time;
    sweep.is_done = ++sweep.next == 3;  // in several steps
}
DepthSummary QueueManager::summarize(const QueueSweep&, std::size_t) const {
    return impl_->queue->depths;
}
std::expected<Tracing::Fetched, std::string> QueueManager::trace(const std::string& watcher,
                                                                 const std::string& what) {
    impl_->queue->orders.push_back("trace " + watcher + ' ' + what);
    if (impl_->queue->is_watched_enough) return std::unexpected("there are 8 traces already");
    return Tracing::Fetched{.lines = impl_->queue->trace_lines, .dropped = 1};
}
void QueueManager::end_trace(const std::string& watcher) {
    impl_->queue->orders.push_back("end " + watcher);
}
// In the order in which they are.
DestinationList QueueManager::busy_destinations(std::size_t limit) const {
    const auto& all = impl_->queue->destinations;
    DestinationList list{.views = all, .count = all.size()};
    list.views.resize(std::min(limit, all.size()));
    return list;
}
DestinationList QueueManager::destinations_in_trouble(std::size_t limit) const {
    DestinationList list;
    for (const auto& view : impl_->queue->destinations) {
        if (!view.down_since) continue;
        if (++list.count <= limit) list.views.push_back(view);
    }
    return list;
}
std::optional<DomainView> QueueManager::domain(const std::string& domain) const {
    const auto found = impl_->queue->domains.find(domain);
    if (found == impl_->queue->domains.end()) return std::nullopt;
    return found->second;
}
void QueueManager::when_durable(queue::Store::OnDone on_durable) {
    ++impl_->queue->barriers;
    on_durable(impl_->queue->durable);
}
std::size_t QueueManager::flush_message(queue::MessageId id, const RecipientNumbers& only) {
    return impl_->order("flush", id, only);
}
std::size_t QueueManager::bounce(queue::MessageId id, const std::string& reason,
                                 const RecipientNumbers& only) {
    return impl_->order("bounce \"" + reason + '"', id, only);
}
std::size_t QueueManager::hold(queue::MessageId id, const RecipientNumbers& only) {
    return impl_->order("hold", id, only);
}
std::size_t QueueManager::release(queue::MessageId id, const RecipientNumbers& only) {
    return impl_->order("release", id, only);
}
std::size_t QueueManager::cancel(queue::MessageId id, const RecipientNumbers& only) {
    return impl_->order("cancel", id, only);
}

}  // namespace mta::outbound

namespace mta::api {

// A thread that runs what is posted to it, the callbacks of describe() last one first.
class FakeShard {
public:
    explicit FakeShard(Instant now) : queue{.now = now}, thread_([this] { run(); }) {}
    FakeShard(const FakeShard&) = delete;
    FakeShard& operator=(const FakeShard&) = delete;
    ~FakeShard() {
        {
            const MutexLock lock(mutex_);
            is_over_ = true;
        }
        posted_.notify_one();
        thread_.join();
    }
    [[nodiscard]] Post post() {
        return [this](Ask ask) {
            {
                const MutexLock lock(mutex_);
                work_.push_back(std::move(ask));
            }
            posted_.notify_one();
        };
    }
    // Before the first request and after the last: the shard's thread uses it meanwhile.
    FakeQueue queue;
    // As if the shard were busy with something else for ever.
    void hang(bool hangs) {
        const MutexLock lock(mutex_);
        hangs_ = hangs;
    }

private:
    void run() {
        NoStore store;
        NoResolver resolver;
        NoConnector connector;
        QueueManager manager(nullptr, {store, resolver, connector}, {},
                             reinterpret_cast<std::uintptr_t>(&queue));
        MutexLock lock(mutex_);
        while (true) {
            while (!is_over_ && (work_.empty() || hangs_)) posted_.wait(lock);
            if (is_over_) return;
            auto ask = std::move(work_.front());
            work_.pop_front();
            lock.unlock();
            // Once it is answered the clock is the test's again.
            const auto now = queue.now;
            queue.now += queue.turn_time;
            ask(manager, now);
            while (!queue.later.empty()) {
                auto callback = std::move(queue.later.back());
                queue.later.pop_back();
                callback();
            }
            lock.lock();
        }
    }

    using QueueManager = outbound::QueueManager;
    Mutex mutex_;
    Condition posted_;
    std::deque<Ask> work_ GUARDED_BY(mutex_);
    bool is_over_ GUARDED_BY(mutex_) = false;
    bool hangs_ GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace mta::api
