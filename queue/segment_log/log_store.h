#pragma once
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "queue/segment_log/log_service.h"
#include "queue/store.h"

namespace queue::segment_log {

// A shard's Store on the process's log (queue/store.h says what it promises). Made by
// LogService::make_store().
//
// The callbacks stay here, on the shard's thread; only numbers ("tickets") travel to the writer and
// the reader. For one message the callbacks are called in the order of the requests, and a read
// waits until the writes before it are on disk, so it sees them.
class LogStore final : public Store {
public:
    LogStore(LogService& service, std::uint32_t shard, std::shared_ptr<Inbox> inbox);
    LogStore(const LogStore&) = delete;
    LogStore& operator=(const LogStore&) = delete;
    ~LogStore() override;

    [[nodiscard]] MessageId allocate_id() override;
    [[nodiscard]] std::optional<StoreError> refusal() const override;
    [[nodiscard]] bool is_stalled() const override;
    void append_body(MessageId id, std::string chunk, OnDone on_written) override;
    void discard_body(MessageId id) override;
    void enqueue(std::shared_ptr<const Message> message, OnDone on_durable) override;
    void update(MessageId id, StateChanges changes,
                std::vector<std::shared_ptr<const Message>> reports) override;
    void finish(MessageId id, std::vector<std::shared_ptr<const Message>> reports,
                OnDone on_durable) override;
    void when_durable(OnDone on_durable) override;
    void read(MessageId id, OnMessage on_read) override;
    void read_body(MessageId id, std::uint64_t offset, std::uint32_t length,
                   OnBytes on_read) override;
    void load(OnLoaded on_loaded) override;

private:
    LogService& service_;
    std::uint32_t shard_;
    std::shared_ptr<Inbox> inbox_;
    std::unordered_map<MessageId, std::uint64_t> uploads_;  // bodies begun, and their bytes so far
};

}  // namespace queue::segment_log
