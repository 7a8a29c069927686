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

    explicit FakeStore(Agenda& agenda);
    ~FakeStore() override;

    queue::MessageId allocate_id() override;
    std::optional<queue::StoreError> refusal() const override;
    [[nodiscard]] bool is_stalled() const override;
    void append_body(queue::MessageId id, std::string chunk, OnDone on_written) override;
    void discard_body(queue::MessageId id) override;
    void enqueue(std::shared_ptr<const queue::Message> message, OnDone on_durable) override;
    void update(queue::MessageId id, queue::StateChanges changes,
                std::vector<std::shared_ptr<const queue::Message>> reports) override;
    void finish(queue::MessageId id, std::vector<std::shared_ptr<const queue::Message>> reports,
                OnDone on_durable) override;
    void read(queue::MessageId id, OnMessage on_read) override;
    void read_body(queue::MessageId id, std::uint64_t offset, std::uint32_t length,
                   OnBytes on_read) override;
    void when_durable(OnDone on_durable) override;
    void load(OnLoaded on_loaded) override;

    void add(std::shared_ptr<const queue::Message> message);

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
    static std::string names_of(const std::vector<std::shared_ptr<const queue::Message>>& reports);

    Agenda& agenda_;
    queue::MessageId last_id_ = 0;
    std::map<queue::MessageId, std::string> bodies_;
};

}  // namespace world
