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
        broken,  // 451 4.3.0: a write or sync failed, or the store is going down; its bytes count
                 // as unknown
        not_found,  // no such message (any more); of a message that is not finished: a fault of the
                    // store, to be told and tried again, never a reason to forget it
        corrupt,    // the message's bytes do not match their checksum; it is quarantined
    };
    Kind kind = Kind::broken;
    std::string text;
};

template <class T>
using StoreResult = std::expected<T, StoreError>;

// The spool: what was acknowledged is here until every recipient is done.
//
// A port: the segment log of queue/segment_log is one implementation, a shared database may be another. So
// nothing here answers at once (but for the two calls that say so), and nobody may assume a local
// file or to be its only user. Each shard has its own Store object; its callbacks come on that
// shard's loop, never inside the call that asked, in the order of the calls for one message. After
// destruction none comes any more.
//
// Order of calls for a message:
//   allocate_id -> append_body* -> enqueue -> update* -> finish
//                               -> discard_body
class Store {
public:
    using OnDone = std::move_only_function<void(StoreResult<void>)>;
    using OnMessage = std::move_only_function<void(StoreResult<StoredMessage>)>;
    using OnBytes = std::move_only_function<void(StoreResult<std::string>)>;
    // A batch of messages found at start. `last`: that was all.
    using OnLoaded = std::move_only_function<void(std::vector<QueuedMessage> batch, bool last)>;

    Store() = default;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    virtual ~Store() = default;

    // Answers at once, from a reserved range.
    [[nodiscard]] virtual MessageId allocate_id() = 0;
    // Answers at once, from the last known state: why new mail cannot be taken now (4xx), or
    // nothing.
    [[nodiscard]] virtual std::optional<StoreError> refusal() const = 0;
    // Answers at once. What is asked for waits for now, since room or something else is missing;
    // nothing is lost. Nobody should begin what only the store can remember the outcome of.
    [[nodiscard]] virtual bool is_stalled() const { return false; }

    // The next piece of a body too large to be inline; at most limits::body_chunk_bytes_max bytes.
    // `on_written`: the next piece may come (backpressure). Not durable, and invisible until the
    // message is enqueued.
    virtual void append_body(MessageId id, std::string chunk, OnDone on_written) = 0;
    // The message will not come: forget its pieces.
    virtual void discard_body(MessageId id) = 0;

    // `on_durable`: message and body are on disk and synced; only now may anybody be told 250. (Or,
    // where there is no room for it, it was finished in the meantime, so that nothing has to be
    // kept.)
    virtual void enqueue(std::shared_ptr<const Message> message, OnDone on_durable) = 0;

    // The states of the recipients that are named replace what was there; the others stay as they
    // are. `reports` (DSNs) are enqueued in the same atomic step, before it. What comes before that
    // is written becomes part of it, so that however slow the disk is, one update of each message
    // waits. It is certain, in case the power fails, with the next message that is enqueued or a
    // moment after it was written: nobody waits for that.
    virtual void update(MessageId id, StateChanges changes,
                        std::vector<std::shared_ptr<const Message>> reports) = 0;
    // No recipient is open any more: the message may go. `reports` as above: durable before the
    // original is gone. `on_durable` may be null: then it is certain as late as an update.
    virtual void finish(MessageId id, std::vector<std::shared_ptr<const Message>> reports,
                        OnDone on_durable) = 0;

    // Everything that was asked for before, of any message, is on disk and synced.
    virtual void when_durable(OnDone on_durable) = 0;

    // The message with its current states and, if it is inline, its body.
    virtual void read(MessageId id, OnMessage on_read) = 0;
    // Bytes [offset, offset + length) of a body, fewer at its end; length <=
    // limits::body_chunk_bytes_max.
    virtual void read_body(MessageId id, std::uint64_t offset, std::uint32_t length,
                           OnBytes on_read) = 0;

    // Once: hands over what was queued at start, those due first, while new mail may be coming in
    // already. Nothing else is asked about an old message before it was handed over.
    virtual void load(OnLoaded on_loaded) = 0;
};

}  // namespace queue
