#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mta/base/time.h"
#include "queue/message.h"

namespace queue {

// Why the store did not do it. `text` is for the log and `posthouse status`.
struct StoreError {
    enum class Kind : std::uint8_t {
        no_space,      // 452 4.3.1: nothing is broken, room is missing
        no_resources,  // 452 4.3.2: nothing is broken, file descriptors or memory are missing now
        // 451 4.3.0: a write or sync failed, or the store is ending. Its bytes count as unknown.
        broken,
        // There is no such message (any more). If the message is not finished, the store is at
        // fault: the error is reported and the request repeated; the message is never forgotten.
        not_found,
        corrupt,  // the message's bytes do not match their checksum; it is quarantined
    };
    Kind kind = Kind::broken;
    std::string text;
};

template <class T>
using StoreResult = std::expected<T, StoreError>;

// One shard's side of the spool: what was acknowledged is here until every recipient is done.
//
// A port: queue/segment_log is one implementation, a database shared by several relays may be
// another. So no call but the three that say so answers at once, and callers must not assume a
// local file, or that they are its only user. Each shard has its own Store object. Its callbacks
// run on that shard's loop, never inside the call that asked, in the order of the calls for one
// message; none runs after the destruction. The spool as a whole is queue/spool.h.
//
// Order of calls for a message:
//   allocate_id -> append_body* -> enqueue -> update* -> finish
//                               -> discard_body
class Store {
public:
    using OnDone = std::move_only_function<void(StoreResult<void>)>;
    using OnMessage = std::move_only_function<void(StoreResult<StoredMessage>)>;
    using OnBytes = std::move_only_function<void(StoreResult<std::string>)>;
    // A batch of messages found at start; `last` is true for the last one.
    using OnLoaded = std::move_only_function<void(std::vector<QueuedMessage> batch, bool last)>;

    Store() = default;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    virtual ~Store() = default;

    // Answers at once, from a reserved range.
    [[nodiscard]] virtual MessageId allocate_id() = 0;
    // Answers at once, from the last known state: why new mail cannot be accepted now (4xx). Empty
    // if it can.
    [[nodiscard]] virtual std::optional<StoreError> refusal() const = 0;
    // Answers at once. Whether requests wait for now because room or something else is missing.
    // Nothing is lost, but nothing should be begun whose outcome only the store can remember.
    [[nodiscard]] virtual bool is_stalled() const { return false; }

    // The next piece of a body too large to be inline; at most limits::body_chunk_bytes_max bytes.
    // `on_written`: the next piece may come (backpressure). Not durable, and invisible until the
    // message is enqueued.
    virtual void append_body(MessageId id, std::string chunk, OnDone on_written) = 0;
    // The message will not be enqueued: its pieces are dropped.
    virtual void discard_body(MessageId id) = 0;

    // `on_durable`: message and body are on disk and synced. Only now may a 250 be sent. (Or, where
    // there is no room for it, it was finished in the meantime, so that nothing has to be kept.)
    virtual void enqueue(std::shared_ptr<const Message> message, OnDone on_durable) = 0;

    // Replaces the states of the recipients that are named; the others stay as they are. `reports`
    // (DSNs) are enqueued in the same atomic step, before it. An update that comes before this one
    // is written becomes part of it, so that one update of each message waits, however slow the
    // disk is. A power failure cannot undo it once the next message is enqueued, or a moment after
    // it was written; no caller waits for that.
    virtual void update(MessageId id, StateChanges changes,
                        std::vector<std::shared_ptr<const Message>> reports) = 0;
    // No recipient is open any more: the message is removed. `reports` as above: they are durable
    // before the original is gone. If `on_durable` is null, it is certain as late as an update.
    virtual void finish(MessageId id, std::vector<std::shared_ptr<const Message>> reports,
                        OnDone on_durable) = 0;

    // `on_durable`: everything that was asked for before, for any message, is on disk and synced.
    virtual void when_durable(OnDone on_durable) = 0;

    // The message with its current states and, if it is inline, its body.
    virtual void read(MessageId id, OnMessage on_read) = 0;
    // Bytes [offset, offset + length) of the content (the added header, then the body), fewer at
    // its end; length <= limits::body_chunk_bytes_max.
    virtual void read_body(MessageId id, std::uint64_t offset, std::uint32_t length,
                           OnBytes on_read) = 0;

    // To be called once. Hands over what was queued at start, the messages due first in front,
    // while new mail may be accepted already. Callers ask nothing else about an old message before
    // it was handed over.
    virtual void load(OnLoaded on_loaded) = 0;
};

}  // namespace queue
