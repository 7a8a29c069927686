#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/pending.h"
#include "mta/base/time.h"
#include "mta/io/connector.h"
#include "mta/outbound/attempt/connection_event.h"
#include "mta/outbound/desk/traced_stream.h"
#include "mta/outbound/desk/tracing.h"
#include "mta/smtp/client/client_session.h"
#include "queue/message.h"
#include "queue/store.h"

namespace mta::outbound {

// One connection to a host, from the first SYN to its end: moves bytes and time between a stream
// and a ClientSession, and bodies from the store. The session makes every decision of the protocol.
//
//   connecting -> (session: greeting, EHLO) -> ready <-> at work -> closing -> ended
//        any state, but the last --- refused, lost, timed out, abort() ---> ended
//
// It is reached by commands and reports by events, each with its state, and shares no object with
// its owner but the ports: this is where a thread may come in between. Events come from the
// callbacks of the ports, from on_deadline(), pump() and cut(), and StateChanged from any command.
// The sink may call commands, and must not destroy the connection: the pool reaps.
class Connection {
public:
    using TransactionEnd = outbound::TransactionEnd;
    using Sink = std::function<void(const ConnectionState& state, ConnectionEvent event)>;

    // What all connections use; outlives them.
    struct Ports {
        io::Connector& connector;
        queue::Store& store;
        std::function<Instant()> now;
    };
    // Who watches the dialogue.
    struct Trace {
        TraceWatchers watchers;
        std::uint64_t connection = 0;     // the number under which they see it
        queue::MessageId message_id = 0;  // the message that they wait for
    };
    struct Target {
        std::string host;  // a name, or empty if only the address is known
        Endpoint endpoint;
        SmtpKeywords without;  // not to be used, though the host may offer them
        // It failed lately, and others of the destination answer: to find out whether it is back,
        // a message does not wait for long.
        bool is_unwell = false;
        // The name of a [[source]] and its address; empty if the system chooses the address.
        std::string source;
        std::optional<IpAddress> source_address = std::nullopt;
        std::string ehlo_name = {};       // if it is empty, the hostname
        TraceWatchers watchers;           // of the message that it is opened for,
        queue::MessageId message_id = 0;  // if there are any
    };
    struct Setup {
        Endpoint endpoint;
        std::optional<IpAddress> source_address;
        Millis connect_timeout{0};
        smtp::ClientOptions session;
        std::optional<Trace> trace;
    };

    // Begins to connect.
    Connection(const Ports& ports, Setup setup, Sink sink);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    // ---- Commands ----

    // A transaction for some recipients (indices into message->envelope.recipients), if can_start.
    // `trace`: its watchers, if anything is watched at all; with another transaction under way, its
    // watchers see this one, too. To be followed by pump(), unless within the sink: some
    // transactions end at once.
    void start(std::shared_ptr<const queue::Message> message,
               const std::vector<std::uint32_t>& recipients, std::optional<Trace> trace);
    // Says QUIT; only when no transaction is active. ConnectionEnded comes.
    void quit();
    // Ends at once, with all events, as if the host had closed it: this relay stops.
    void cut();
    // Ends at once, without events.
    void abort();
    // To be called at the state's deadline.
    void on_deadline();
    // Reports what the session has to say.
    void pump();

    [[nodiscard]] ConnectionState state() const;

private:
    // A transaction's body, while the session has it.
    struct Body {
        smtp::TransactionNumber number = 0;
        std::shared_ptr<const queue::Message> message;
        Instant begun;
        // Added header and body together, where both are in memory; otherwise null.
        std::unique_ptr<const std::string> content;
        std::uint64_t next_byte = 0;  // to be read from the store
        bool is_reading = false;
        bool is_complete = false;  // handed to the session as a whole
    };

    void report(ConnectionEvent event);
    void tap(Trace trace);
    void retap(Trace trace);
    void trace(std::string_view text, TraceLine::Kind kind = TraceLine::Kind::note);
    void put_trace_on();
    [[nodiscard]] io::ByteStream::Handlers handlers_of_stream();
    void stop_connecting();
    void on_connected(std::expected<std::unique_ptr<io::ByteStream>, io::ConnectError> stream);
    void write_output();
    void feed_body();
    void on_body_read(smtp::TransactionNumber number, queue::StoreResult<std::string> bytes);
    void take(std::vector<smtp::ClientEvent>& events);
    void end_transaction(smtp::TransactionEnded outcome);
    void end_session(smtp::SessionEnded ended);
    void end(std::optional<DeliveryError> error, bool has_unusable_source = false);
    void break_off(smtp::TransactionNumber number, queue::StoreError error);
    [[nodiscard]] Instant now() const { return ports_.now(); }
    [[nodiscard]] bool can_start() const;

    const Ports& ports_;
    Sink sink_;
    std::string remote_;
    Millis connect_timeout_;
    smtp::ClientSession session_;
    std::unique_ptr<TraceTap> tap_;  // null without a watcher
    std::unique_ptr<io::ByteStream> stream_;
    TracedStream* traced_ = nullptr;  // stream_, once it has been watched
    std::optional<io::Connector::ConnectId> connecting_;
    Instant begun_;  // to connect; then, to say hello
    std::vector<Body> bodies_;
    std::uint32_t started_ = 0;
    bool is_pumping_ = false;
    bool was_greeted_ = false;
    bool was_body_out_ = false;
    bool has_ended_ = false;
    Pending body_read_;
};

}  // namespace mta::outbound
