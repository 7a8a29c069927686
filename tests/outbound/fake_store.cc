#include "tests/outbound/fake_store.h"

#include <algorithm>
#include <utility>

namespace world {

FakeStore::FakeStore(Agenda& agenda) : agenda_(agenda) {}

FakeStore::~FakeStore() = default;

queue::MessageId FakeStore::allocate_id() { return ++last_id_; }

std::optional<queue::StoreError> FakeStore::refusal() const { return std::nullopt; }

bool FakeStore::is_stalled() const { return stalled; }

void FakeStore::append_body(queue::MessageId id, std::string chunk, OnDone on_written) {
    bodies_[id] += chunk;
    agenda_.later(0ms, [done = std::move(on_written)]() mutable { done({}); });
}

void FakeStore::discard_body(queue::MessageId id) { bodies_.erase(id); }

void FakeStore::enqueue(std::shared_ptr<const queue::Message> message, OnDone on_durable) {
    add(std::move(message));
    agenda_.later(1ms, [done = std::move(on_durable)]() mutable { done({}); });
}

void FakeStore::update(queue::MessageId id, queue::StateChanges changes,
                       std::vector<std::shared_ptr<const queue::Message>> reports) {
    calls.push_back("update " + std::to_string(id) + names_of(reports));
    for (auto& report : reports) add(report);
    states_written += changes.changes.size();
    EXPECT_TRUE(changes.apply_to(kept.at(id).states));
}

void FakeStore::finish(queue::MessageId id,
                       std::vector<std::shared_ptr<const queue::Message>> reports,
                       OnDone on_durable) {
    calls.push_back("finish " + std::to_string(id) + names_of(reports));
    for (auto& report : reports) add(report);
    kept.erase(id);
    if (on_durable) agenda_.later(1ms, [done = std::move(on_durable)]() mutable { done({}); });
}

void FakeStore::read(queue::MessageId id, OnMessage on_read) {
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

void FakeStore::read_body(queue::MessageId id, std::uint64_t offset, std::uint32_t length,
                          OnBytes on_read) {
    ++body_reads;
    agenda_.later(body_latency, [this, id, offset, length, done = std::move(on_read)]() mutable {
        const auto found = kept.find(id);
        if (body_read_error || found == kept.end()) {
            return done(std::unexpected(
                queue::StoreError{queue::StoreError::Kind::broken, "input/output error"}));
        }
        if (body_damage && *body_damage >= offset && *body_damage < offset + length) {
            return done(
                std::unexpected(queue::StoreError{queue::StoreError::Kind::corrupt, "checksum"}));
        }
        const auto content = found->second.message->added_header + found->second.body;
        done(content.substr(offset, length));
    });
}

void FakeStore::when_durable(OnDone on_durable) {
    agenda_.later(0ms, [done = std::move(on_durable)]() mutable { done({}); });
}

void FakeStore::load(OnLoaded on_loaded) {
    agenda_.later(0ms, [done = std::move(on_loaded)]() mutable { done({}, true); });
}

void FakeStore::add(std::shared_ptr<const queue::Message> message) {
    const auto id = message->id;
    auto& entry = kept[id];
    entry.states.resize(message->envelope.recipients.size());
    for (auto& state : entry.states)
        state.next_due = queue::first_due(message->arrival, message->envelope.requests);
    entry.body = message->is_body_inline() ? message->body : bodies_[id];
    entry.message = std::move(message);
}

std::string FakeStore::names_of(const std::vector<std::shared_ptr<const queue::Message>>& reports) {
    std::string names;
    for (const auto& report : reports) names += " +" + std::to_string(report->id);
    return names;
}

}  // namespace world
