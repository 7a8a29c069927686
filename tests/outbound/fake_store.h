#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "queue/store.h"
#include "tests/outbound/agenda.h"

namespace world {

// A store in memory. A message is durable some time after enqueue(). `calls` has the updates and
// the finished messages, in order.
class FakeStore final : public queue::Store {
public:
    struct Kept {
        std::shared_ptr<const queue::Message> message;
        std::vector<queue::RecipientState> states;
        std::string body;  // of a large message
    };

    explicit FakeStore(Agenda& agenda) : agenda_(agenda) {}

    queue::MessageId allocate_id() override { return ++last_id_; }
    std::optional<queue::StoreError> refusal() const override { return std::nullopt; }
    [[nodiscard]] bool is_stalled() const override { return stalled; }
    void append_body(queue::MessageId id, std::string chunk, OnDone on_written) override {
        bodies_[id] += chunk;
        agenda_.later(0ms, [done = std::move(on_written)]() mutable { done({}); });
    }
    void discard_body(queue::MessageId id) override { bodies_.erase(id); }
    void enqueue(std::shared_ptr<const queue::Message> message, OnDone on_durable) override {
        add(std::move(message));
        agenda_.later(1ms, [done = std::move(on_durable)]() mutable { done({}); });
    }
    void update(queue::MessageId id, queue::StateChanges changes,
                std::vector<std::shared_ptr<const queue::Message>> reports) override {
        calls.push_back("update " + std::to_string(id) + names_of(reports));
        for (auto& report : reports) add(report);
        states_written += changes.changes.size();
        EXPECT_TRUE(changes.apply_to(kept.at(id).states));
    }
    void finish(queue::MessageId id, std::vector<std::shared_ptr<const queue::Message>> reports,
                OnDone on_durable) override {
        calls.push_back("finish " + std::to_string(id) + names_of(reports));
        for (auto& report : reports) add(report);
        kept.erase(id);
        if (on_durable) agenda_.later(1ms, [done = std::move(on_durable)]() mutable { done({}); });
    }
    void read(queue::MessageId id, OnMessage on_read) override {
        ++reads;
        agenda_.later(1ms, [this, id, done = std::move(on_read)]() mutable {
            if (read_error) return done(std::unexpected(*read_error));
            const auto found = kept.find(id);
            if (found == kept.end()) {
                return done(std::unexpected(
                    queue::StoreError{queue::StoreError::Kind::not_found, "no such message"}));
            }
            done(queue::StoredMessage{found->second.message, found->second.states});
        });
    }
    void read_body(queue::MessageId id, std::uint64_t offset, std::uint32_t length,
                   OnBytes on_read) override {
        ++body_reads;
        agenda_.later(
            body_latency, [this, id, offset, length, done = std::move(on_read)]() mutable {
                const auto found = kept.find(id);
                if (body_read_error || found == kept.end()) {
                    return done(std::unexpected(
                        queue::StoreError{queue::StoreError::Kind::broken, "input/output error"}));
                }
                if (body_damage && *body_damage >= offset && *body_damage < offset + length) {
                    return done(std::unexpected(
                        queue::StoreError{queue::StoreError::Kind::corrupt, "checksum"}));
                }
                const auto content = found->second.message->added_header + found->second.body;
                done(content.substr(offset, length));
            });
    }
    void when_durable(OnDone on_durable) override {
        agenda_.later(0ms, [done = std::move(on_durable)]() mutable { done({}); });
    }
    void load(OnLoaded on_loaded) override {
        agenda_.later(0ms, [done = std::move(on_loaded)]() mutable { done({}, true); });
    }

    void add(std::shared_ptr<const queue::Message> message) {
        const auto id = message->id;
        auto& entry = kept[id];
        entry.states.resize(message->envelope.recipients.size());
        for (auto& state : entry.states)
            state.next_due = queue::first_due(message->arrival, message->envelope.requests);
        entry.body = message->is_body_inline() ? message->body : bodies_[id];
        entry.message = std::move(message);
    }

    std::map<queue::MessageId, Kept> kept;
    bool stalled = false;  // is_stalled()
    std::vector<std::string> calls;
    std::size_t states_written = 0;  // of recipients
    int reads = 0;
    int body_reads = 0;
    Millis body_latency{1};
    std::optional<queue::StoreError> read_error;
    bool body_read_error = false;
    std::optional<std::uint64_t> body_damage;  // a read of this byte of a body finds it damaged

private:
    static std::string names_of(const std::vector<std::shared_ptr<const queue::Message>>& reports) {
        std::string names;
        for (const auto& report : reports) names += " +" + std::to_string(report->id);
        return names;
    }

    Agenda& agenda_;
    queue::MessageId last_id_ = 0;
    std::map<queue::MessageId, std::string> bodies_;
};

}  // namespace world
