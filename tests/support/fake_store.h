#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "queue/store.h"

namespace mta {

// A store whose disk is as slow as the test wants: no write is answered until write_one() or
// write_all(). Nothing is read back.
class FakeStore final : public queue::Store {
public:
    std::optional<queue::StoreError> refuses;        // refusal()
    std::optional<queue::StoreError> fails;          // what writes end with
    std::map<queue::MessageId, std::string> bodies;  // as far as they were handed over
    std::size_t largest_chunk = 0;
    std::vector<queue::MessageId> discarded;
    std::vector<std::shared_ptr<const queue::Message>> messages;

    bool write_one() {
        if (waiting_.empty()) return false;
        auto done = std::move(waiting_.front());
        waiting_.pop_front();
        if (!done) return true;
        fails ? done(std::unexpected(*fails)) : done({});
        return true;
    }
    void write_all() {
        while (write_one()) {
        }
    }
    [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

    queue::MessageId allocate_id() override { return ++last_id_; }
    [[nodiscard]] std::optional<queue::StoreError> refusal() const override { return refuses; }
    void append_body(queue::MessageId id, std::string chunk, OnDone on_written) override {
        largest_chunk = std::max(largest_chunk, chunk.size());
        bodies[id] += chunk;
        waiting_.push_back(std::move(on_written));
    }
    void discard_body(queue::MessageId id) override {
        bodies.erase(id);
        discarded.push_back(id);
    }
    void enqueue(std::shared_ptr<const queue::Message> message, OnDone on_durable) override {
        if (!message->body.empty()) bodies[message->id] = message->body;
        messages.push_back(std::move(message));
        waiting_.push_back(std::move(on_durable));
    }
    void update(queue::MessageId, queue::StateChanges,
                std::vector<std::shared_ptr<const queue::Message>>) override {}
    void finish(queue::MessageId, std::vector<std::shared_ptr<const queue::Message>>,
                OnDone) override {}
    void read(queue::MessageId, OnMessage) override {}
    void read_body(queue::MessageId, std::uint64_t, std::uint32_t, OnBytes) override {}
    void when_durable(OnDone) override {}
    void load(OnLoaded) override {}

private:
    queue::MessageId last_id_ = 0;
    std::deque<OnDone> waiting_;
};

}  // namespace mta
