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
#include "mta/intake/reception.h"
#include "mta/io/byte_stream.h"
#include "mta/io/clock.h"
#include "mta/io/timer.h"
#include "mta/smtp/server/server_session.h"
#include "queue/message.h"

namespace mta::inbound {

// What a connection needs of its shard. All of it outlives the connection.
struct Services {
    io::Loop& loop;
    const io::Clock& clock;
    const events::Dispatcher& events;
    intake::Services intake;
    // Tries mail for a domain, or (`is_tree`) for all domains below it too, now (ETRN). If null,
    // ETRN is not offered.
    std::function<WakeUp(const std::string& domain, bool is_tree)> on_wake = nullptr;
    Statistics* statistics = nullptr;  // may be null
};

// One client. Moves bytes between its stream and its smtp::ServerSession, and messages between the
// session and an intake::Reception:
//
//   session                                     reception
//   MailAsked      -> check()       -> Checked      -> decide()
//   RecipientAsked -> the access policy             -> decide()
//   MessageBegins  -> begin()       -> Begun        -> begin(), or refuse() (452 while there is no
//                                                      room)
//   the body       -> add()         -> PieceWritten -> the next piece is taken
//   MessageEnds    -> add(), end()  -> Stored       -> accepted() (250), or refuse()
//   MessageAborted -> abort()
//
// The session and the reception never see each other; each answers with events.
//
// The number of bytes in memory is bounded for any client: the session holds at most a
// chunk, the store has at most one chunk of this client under way, and then the stream is not read.
// A session that rests, because its client pipelines very many commands, goes on in the next turn
// of the loop.
class Connection : public std::enable_shared_from_this<Connection> {
public:
    using OnEnded = std::move_only_function<void()>;

    // `on_ended` is called once, never from within a call into the connection. The owner may
    // destroy the connection then.
    Connection(const Services& services, std::shared_ptr<const SessionConfig> config,
               std::unique_ptr<io::ByteStream> stream, std::uint64_t number, OnEnded on_ended);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() = default;

    // To be called first.
    void start();
    // Ends with 421 at the next safe point: a message past its final dot gets its reply first.
    void shutdown();

    // Whether connections are scarce: ServerSession::set_stressed().
    void set_stressed(bool is_stressed);
    // Since when the client has nothing to do here. Without a value it has a transaction.
    [[nodiscard]] std::optional<Instant> idle_since() const { return session_.idle_since(); }
    // Ends with 421, to make room for another client. Only while idle_since() has a value.
    void make_room();

    [[nodiscard]] const Endpoint& remote() const { return remote_; }
    // A message has been handed to the store, and the client waits for the reply.
    [[nodiscard]] bool is_storing() const { return reception_.is_storing(); }

private:
    // A message that is coming in, from MessageBegins on.
    struct Incoming {
        queue::MessageId id = 0;  // from Begun on
        std::string reverse_path;
        std::string helo_name;
        bool is_piece_pending = false;  // the store has a piece that it has not written yet
    };

    void open_stream();
    void pump();
    [[nodiscard]] bool take_event();
    void handle(smtp::server_event::MailAsked& asked);
    void handle(smtp::server_event::RecipientAsked& asked);
    void handle(smtp::server_event::EtrnAsked& asked);
    void handle(smtp::server_event::MessageBegins& begins);
    void handle(smtp::server_event::MessageEnds& ends);
    void handle(smtp::server_event::MessageAborted& aborted);
    void handle(smtp::server_event::Refused& refused);
    void handle(smtp::server_event::SessionEnded& ended);
    void handle(intake::Reception::Checked& checked);
    void handle(intake::Reception::Begun& begun);
    void handle(intake::Reception::Refused& refused);
    void handle(intake::Reception::PieceWritten& written);
    void handle(intake::Reception::Stored& stored);
    void handle(intake::Reception::Lost& lost);
    void stream_body();
    [[nodiscard]] ClientIdentity identity() const { return {.address = remote_.address}; }
    [[nodiscard]] smtp::ClientRights rights() const;
    [[nodiscard]] smtp::ServerReply reply_to_etrn(const smtp::EtrnArguments& arguments);
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
    std::string refusal_cause_;  // for the log; the reply says less
    smtp::ServerSession session_;
    intake::Reception reception_;
    io::Timer timer_;
    std::optional<Instant> timer_at_;
    std::optional<Incoming> incoming_;
    bool is_reading_ = true;
    bool will_go_on_ = false;  // go_on() is due in the next turn
    bool is_pumping_ = false;
    bool has_ended_ = false;
};

}  // namespace mta::inbound
