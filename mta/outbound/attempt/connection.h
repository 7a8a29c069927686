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
#include "mta/outbound/context.h"
#include "mta/outbound/desk/queue_view.h"
#include "mta/outbound/desk/tracing.h"
#include "mta/smtp/client/client_session.h"
#include "queue/message.h"
#include "queue/store.h"

namespace mta::outbound {

// One connection to a host, from the first SYN to its end: moves bytes and time between a stream
// and a ClientSession, and bodies from the store. Every decision is the session's.
//
//   connecting -> (session: greeting, EHLO) -> ready <-> at work -> closing -> ended
//        any state, but the last --- refused, lost, timed out, abort() ---> ended
//
// Handlers come from the callbacks of its ports, from on_deadline(), pump() and cut(), never from
// within another call. They must not destroy it: the pool reaps.
class Connection {
public:
    struct TransactionEnd {
        smtp::ClientSession::TransactionEnded outcome;
        // The store could not give the body: it was broken off, `outcome` has nothing.
        std::optional<queue::StoreError> unreadable = std::nullopt;
    };
    struct Handlers {
        // Transactions can be started.
        std::function<void()> on_ready;
        // The next transaction may be started behind the one that waits for its last reply.
        std::function<void()> on_room;
        // Once: the whole body of its first transaction has left. From then on the message may have
        // been delivered.
        std::function<void()> on_body_out;
        std::function<void(TransactionEnd)> on_transaction_end;
        // Once, the last of all: error if the host is to blame (connection level).
        std::function<void(const std::optional<DeliveryError>& error)> on_end;
        // deadline() may have changed. Comes from within any call.
        std::function<void()> on_deadline_change;
    };
    struct Target {
        std::string host;  // a name, or empty if only the address is known
        Endpoint endpoint;
        SmtpKeywords without;  // not to be used, though the host may offer them
        // It failed lately, and others of the destination answer: to find out whether it is back,
        // a message does not wait for long.
        bool is_unwell = false;
        // Where it comes from: a [[source]]; empty and nothing: the system's choice.
        std::string source;
        std::optional<IpAddress> source_address = std::nullopt;
        std::string ehlo_name = {};       // empty: the hostname
        TraceWatchers watchers;           // of the message that it is opened for,
        queue::MessageId message_id = 0;  // if there are any
    };

    // How long an unwell one has to accept, and then to greet.
    static constexpr Millis unwell_patience{30'000};

    struct Parts {
        io::Connector& connector;
        queue::Store& store;
        Tracing& tracing;
        Counters& totals;
        Latencies& latencies;
    };
    // Begins to connect.
    Connection(Context& context, Parts parts, Target target, Handlers handlers);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    [[nodiscard]] const Target& target() const { return target_; }
    [[nodiscard]] const std::string& remote() const { return remote_; }  // "mx1 [192.0.2.1]:25"
    [[nodiscard]] const smtp::Capabilities& capabilities() const { return session_.capabilities(); }

    // A transaction for some recipients (indices into message->envelope.recipients). To be followed
    // by pump(), unless within a handler: some transactions end at once.
    [[nodiscard]] bool can_start() const;
    void start(std::shared_ptr<const queue::Message> message,
               const std::vector<std::uint32_t>& recipients);
    // Transactions started and not ended.
    [[nodiscard]] std::size_t active() const { return bodies_.size(); }
    // All that were ever started.
    [[nodiscard]] std::uint32_t started() const { return started_; }
    // It ended before it began: this machine cannot send from target().source_address.
    [[nodiscard]] bool has_unusable_source() const { return has_unusable_source_; }
    [[nodiscard]] bool has_been_ready() const { return session_.was_ready(); }
    // Some transaction's body has left as a whole: it may be delivered whatever we do.
    [[nodiscard]] bool is_past_final_dot() const;

    // Says QUIT; only when no transaction is active. on_end comes.
    void quit();
    // Ends at once, with all handlers, as if the host had closed it: this relay stops.
    void cut();
    // Ends at once, without handlers.
    void abort();
    [[nodiscard]] bool has_ended() const { return has_ended_; }

    [[nodiscard]] std::optional<Instant> deadline() const;
    // Since when the host has said nothing in a transaction, though it is its turn. Nothing: there
    // is none.
    [[nodiscard]] std::optional<Instant> silent_since() const;
    // The recipient whose RCPT waits for its reply, by its place in the first transaction.
    [[nodiscard]] std::optional<std::size_t> recipient_awaited() const {
        return session_.recipient_awaited();
    }
    void on_deadline();
    // Hands over what the session has to say.
    void pump();

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

    void retap(const queue::Message& message, const std::vector<std::uint32_t>& recipients);
    void trace(std::string_view text, TraceLine::Kind kind = TraceLine::Kind::note);
    void stop_connecting();
    void on_connected(std::expected<std::unique_ptr<io::ByteStream>, io::ConnectError> stream);
    void write_output();
    void feed_body();
    void on_body_read(smtp::TransactionNumber number, queue::StoreResult<std::string> bytes);
    void handle(std::vector<smtp::ClientSession::Event>& events);
    void end(const std::optional<DeliveryError>& error);
    void break_off(smtp::TransactionNumber number, queue::StoreError error);

    Context& context_;
    Parts parts_;
    Target target_;
    std::string remote_;
    Handlers handlers_;
    smtp::ClientSession session_;
    std::unique_ptr<io::ByteStream> stream_;
    std::optional<io::Connector::ConnectId> connecting_;
    Instant connect_deadline_;
    Instant begun_;                  // to connect; then, to say hello
    std::unique_ptr<TraceTap> tap_;  // null: nobody watches
    std::vector<Body> bodies_;
    std::uint32_t started_ = 0;
    bool is_pumping_ = false;
    bool was_body_out_ = false;
    bool has_ended_ = false;
    bool has_unusable_source_ = false;
    Pending reads_;
};

}  // namespace mta::outbound
