#include "queue/segment_log/log_store.h"

#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "queue/segment_log/inbox.h"

namespace queue::segment_log {

LogStore::LogStore(LogService& service, std::uint32_t shard, std::shared_ptr<Inbox> inbox)
    : service_(service), shard_(shard), inbox_(std::move(inbox)) {}

LogStore::~LogStore() {
    inbox_->close();
    service_.remove_shard(shard_);
    for (const auto& [id, size] : uploads_) {
        service_.submit({.shard = shard_, .ticket = 0, .what = DiscardBody{id}});
    }
}

MessageId LogStore::allocate_id() { return service_.log_->allocate_id(); }

std::optional<StoreError> LogStore::refusal() const { return service_.log_->condition().refusal(); }

bool LogStore::is_stalled() const { return service_.is_stalled(); }

void LogStore::append_body(MessageId id, std::string chunk, OnDone on_written) {
    MTA_ASSERT(!chunk.empty() && chunk.size() <= mta::limits::body_chunk_bytes_max);
    uploads_[id] += chunk.size();
    const auto ticket = inbox_->expect_write(id, std::move(on_written), {});
    service_.submit({shard_, ticket, AppendBody{id, std::move(chunk)}});
}

void LogStore::discard_body(MessageId id) {
    if (uploads_.erase(id) == 0) return;
    const auto ticket = inbox_->expect_write(id, nullptr, {});
    service_.submit({shard_, ticket, DiscardBody{id}});
}

void LogStore::enqueue(std::shared_ptr<const Message> message, OnDone on_durable) {
    MTA_ASSERT(message->id != 0);
    const auto upload = uploads_.extract(message->id);
    if (!message->is_body_inline()) {
        MTA_ASSERT(!upload.empty() && upload.mapped() == message->body_bytes());
    }
    const auto ticket = inbox_->expect_write(message->id, std::move(on_durable), {});
    service_.submit({shard_, ticket, Enqueue{std::move(message)}});
}

void LogStore::update(MessageId id, StateChanges changes,
                      std::vector<std::shared_ptr<const Message>> reports) {
    for (const auto& report : reports) uploads_.erase(report->id);
    const auto ticket = inbox_->expect_write(id, nullptr, reports);
    service_.submit({shard_, ticket, Update{id, std::move(changes), std::move(reports)}});
}

void LogStore::finish(MessageId id, std::vector<std::shared_ptr<const Message>> reports,
                      OnDone on_durable) {
    for (const auto& report : reports) uploads_.erase(report->id);
    const bool is_awaited = on_durable != nullptr;
    const auto ticket = inbox_->expect_write(id, std::move(on_durable), reports);
    service_.submit({shard_, ticket, Finish{id, std::move(reports), is_awaited}});
}

void LogStore::when_durable(OnDone on_durable) {
    // No message has this id, so it stands in a line of its own.
    const auto ticket = inbox_->expect_write(0, std::move(on_durable), {});
    service_.submit({shard_, ticket, Barrier{}});
}

void LogStore::read(MessageId id, OnMessage on_read) {
    inbox_->expect_read(id, {.shard = shard_, .ticket = 0, .what = ReadMessage{id}},
                        std::move(on_read));
}

void LogStore::read_body(MessageId id, std::uint64_t offset, std::uint32_t length,
                         OnBytes on_read) {
    MTA_ASSERT(length <= mta::limits::body_chunk_bytes_max);
    inbox_->expect_read(id, {.shard = shard_, .ticket = 0, .what = ReadBody{id, offset, length}},
                        std::move(on_read));
}

void LogStore::load(OnLoaded on_loaded) { inbox_->expect_load(std::move(on_loaded)); }

}  // namespace queue::segment_log
