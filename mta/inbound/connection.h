#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mta/base/wake_up.h"
#include "mta/events/dispatcher.h"
#include "mta/inbound/session_config.h"
#include "mta/inbound/statistics.h"
#include "mta/io/byte_stream.h"
#include "mta/io/clock.h"
#include "mta/io/timer.h"
#include "mta/smtp/server/server_session.h"
#include "queue/message.h"
#include "queue/store.h"

namespace mta::inbound {

// What a connection needs of its shard. All of it outlives the connection.
struct Services {
    io::Loop& loop;
    const io::Clock& clock;
    queue::Store& store;
    const events::Dispatcher& events;
    // Right after a message was handed to the store: delivery may start, the 250 waits for the
    // disk.
    std::function<void(std::shared_ptr<const queue::Message>)> on_message;
    // The store could not keep it, and the client was told so.
    std::function<void(queue::MessageId)> on_lost_message;
    // Mail for a domain, or (`is_tree`) all below it too, is wanted now: ETRN. Null: nobody serves
    // it.
    std::function<WakeUp(const std::string& domain, bool is_tree)> on_wake = nullptr;
    Statistics* statistics = nullptr;  // counted there, if anywhere
};

// One client. Moves bytes between its stream and its smtp::ServerSession, and messages from there
// into the store:
//
//   MessageBegins -> id from the store (452 while it refuses) -> body inline, or in pieces into the
//   store while it arrives -> MessageEnds -> Store::enqueue -> durable -> 250
//
// The number of bytes in memory is bounded whatever the client sends: the session holds at most a
// chunk, the store has at most one chunk of ours under way, and then the stream is not read. A
// session that rests, because its client pipelines very many commands, goes on in the next turn of
// the loop.
class Connection : public std::enable_shared_from_this<Connection> {
public:
    using OnEnded = std::move_only_function<void()>;

    // `on_ended` is called once, not from within a call into the connection: the owner may drop it
    // then.
    Connection(const Services& services, std::shared_ptr<const SessionConfig> config,
               std::unique_ptr<io::ByteStream> stream, std::uint64_t number, OnEnded on_ended);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() = default;

    // First.
    void start();
    // 421 at the next safe point: a message past its final dot gets its answer first.
    void shutdown();

    // Connections are getting scarce, or no longer: ServerSession::set_stressed().
    void set_stressed(bool is_stressed);
    // Since when the client has nothing to do here; nothing: it has a transaction.
    [[nodiscard]] std::optional<Instant> idle_since() const { return session_.idle_since(); }
    // 421, for the sake of another client. Only while idle_since().
    void make_room();

    [[nodiscard]] const Endpoint& remote() const { return remote_; }
    // A message has been handed to the store and its client waits for the answer.
    [[nodiscard]] bool is_storing() const { return is_storing_; }

private:
    // A message that is coming in.
    struct Incoming {
        queue::MessageId id = 0;
        Instant arrival;
        Envelope envelope;
        std::string helo_name;
        bool is_streamed = false;        // some of its body is in the store already
        bool is_append_pending = false;  // the store has a piece that it has not written yet
    };

    void open_stream();
    void pump();
    [[nodiscard]] std::optional<smtp::ServerReply> mail_refusal();
    [[nodiscard]] smtp::ServerSession::OnEtrn etrn_for_client();
    void handle(smtp::ServerSession::MessageBegins& begins);
    void handle(smtp::ServerSession::MessageEnds& ends);
    void handle(smtp::ServerSession::MessageAborted& aborted);
    void handle(smtp::ServerSession::Refused& refused);
    void handle(smtp::ServerSession::SessionEnded& ended);
    void stream_body();
    void append(std::string bytes);
    void on_stored(queue::MessageId id, const queue::StoreResult<void>& result);
    void go_on_in_next_turn();
    void arm_timer();
    void end();
    [[nodiscard]] Instant now() const { return services_.clock.now(); }
    [[nodiscard]] events::SessionRef ref() const { return {number_, remote_.address}; }

    const Services& services_;
    std::shared_ptr<const SessionConfig> config_;
    std::unique_ptr<io::ByteStream> stream_;
    Endpoint remote_;
    std::uint64_t number_;
    OnEnded on_ended_;
    std::string refusal_cause_;  // for the log: the client hears less
    smtp::ServerSession session_;
    io::Timer timer_;
    std::optional<Instant> timer_at_;
    std::optional<Incoming> incoming_;
    bool is_storing_ = false;
    bool is_reading_ = true;
    bool will_go_on_ = false;  // in the next turn
    bool is_pumping_ = false;
    bool has_ended_ = false;
};

}  // namespace mta::inbound
