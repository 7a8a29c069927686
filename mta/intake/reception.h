#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mta/base/envelope.h"
#include "mta/base/pending.h"
#include "mta/base/time.h"
#include "queue/message.h"
#include "queue/store.h"

namespace mta::intake {

// What receptions need of the relay. All of it outlives them.
struct Services {
    queue::Store& store;
    // Called right after a message was handed to the store: delivery may start, the acceptance
    // waits for the disk. `source` is for the log: "pc.office.example [192.0.2.7]". May be null.
    std::function<void(std::shared_ptr<const queue::Message>, std::string_view source)> on_message =
        nullptr;
    // The store could not keep a message that was passed to on_message. May be null.
    std::function<void(queue::MessageId)> on_lost_message = nullptr;
    // A message whose end came at `ended` is durable. Also called if its source has gone. May be
    // null.
    std::function<void(Instant ended)> on_stored = nullptr;
};

// Takes messages from one source (an SMTP client, a folder that is imported), one after the other:
// gives each an id, its body to the store, and the message to the store and the queue manager in
// the same turn.
//
//   check() -> Checked                      at any time between two messages
//   begin() -> Begun or Refused
//     add()* -> PieceWritten, one at a time; or Refused
//     end()  -> Stored or Lost
//     abort() at any time before end(); no event
//
// A source and its reception exchange values only: commands go one way, events come back and are
// taken with poll_event(). An event that a command causes is there when the command returns; for a
// later event `on_event` is called, never from within a command. So source and reception could live
// on different threads with a queue each way.
//
// Memory: add() passes its bytes on at once, so a source that has one piece under way at a time
// bounds what is held. If the source goes away after end() (its Reception is destroyed), the
// message is stored and delivered all the same.
class Reception {
public:
    // The answer to check(): whether new mail can be taken now.
    struct Checked {
        std::optional<queue::StoreError> refusal;
    };
    struct Begun {
        queue::MessageId id = 0;
    };
    // The message cannot be taken: it has no place in the store, or a piece was not written. What
    // is still sent of it is ignored until begin().
    struct Refused {
        queue::StoreError error;
    };
    // The next piece may come.
    struct PieceWritten {};
    // The message is durable: it may be acknowledged.
    struct Stored {
        queue::MessageId id = 0;
    };
    // The store could not keep the message.
    struct Lost {
        queue::MessageId id = 0;
        queue::StoreError error;
    };
    using Event = std::variant<Checked, Begun, Refused, PieceWritten, Stored, Lost>;

    struct Beginning {
        Instant arrival;
        Envelope envelope;
        queue::MessageId about = 0;  // as in queue::Message
        bool needs_room = true;      // refuse the message if the store refuses new mail
    };
    struct Ending {
        BodyFacts facts;  // of the content, `added_header` included
        std::string message_id;
        std::string added_header;  // as in queue::Message
        std::string source;        // as in Services::on_message
    };

    // `on_event` is called when there may be events to poll.
    Reception(const Services& services, std::function<void()> on_event);
    Reception(const Reception&) = delete;
    Reception& operator=(const Reception&) = delete;
    ~Reception() = default;

    void check();
    void begin(Beginning beginning);
    // The next bytes of the body. Up to limits::body_inline_bytes_max, all that has come together
    // waits here for more, or for the end, and no event follows; beyond, it goes to the store.
    void add(std::string bytes);
    void end(Instant now, Ending ending);
    void abort();

    [[nodiscard]] std::optional<Event> poll_event();
    [[nodiscard]] bool has_event() const { return !events_.empty(); }
    // A message has ended and is not yet durable.
    [[nodiscard]] bool is_storing() const { return state_ == State::storing; }

private:
    enum class State : std::uint8_t { idle, receiving, storing };

    void append(std::string bytes);
    void on_piece_written(queue::MessageId id, const queue::StoreResult<void>& result);
    void on_durable(queue::MessageId id, const queue::StoreResult<void>& result);
    void drop_message();

    const Services& services_;
    std::function<void()> on_event_;
    State state_ = State::idle;
    std::shared_ptr<queue::Message> message_;  // while receiving; otherwise null
    bool has_pieces_ = false;                  // some of its body is in the store
    std::deque<Event> events_;
    Pending answers_;  // of the store
};

}  // namespace mta::intake
