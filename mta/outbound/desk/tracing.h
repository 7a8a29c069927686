#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/time.h"
#include "mta/smtp/syntax/dialogue_lines.h"
#include "queue/message.h"

namespace mta::outbound {

struct TraceLine {
    enum class Kind : std::uint8_t {
        sent,
        received,
        note,  // ours: connected, closed
        end,   // ours: of an attempt
    };
    Kind kind = Kind::note;
    Instant at;
    std::uint64_t connection = 0;  // a number of the shard's
    std::string remote;
    queue::MessageId id =
        0;  // of the last transaction that was begun on the connection, or is to be
    std::string text;
};

// A watcher of the dialogue of coming attempts. It holds a bounded number of lines until they are
// fetched; beyond that the oldest are dropped and counted.
struct TraceWatcher {
    std::string name;  // the watcher's own
    std::string what;  // an address (it has an '@'), or a recipient's domain as A-labels
    Instant fetched;   // last
    std::deque<TraceLine> lines;
    std::size_t bytes = 0;
    std::uint64_t dropped = 0;
};
using TraceWatchers = std::vector<std::weak_ptr<TraceWatcher>>;

// The watchers of a shard. Without any, the cost is one look at is_watched() a transaction.
class Tracing {
public:
    [[nodiscard]] bool is_watched() const { return !watchers_.empty(); }

    struct Fetched {
        std::vector<TraceLine> lines;
        std::uint64_t dropped = 0;  // before these
    };
    // The lines since the last call of that name; the first call begins to watch. A watcher
    // that does not call for limits::trace_silence_max is forgotten. Fails if there are too many
    // watchers; the error is a sentence.
    [[nodiscard]] std::expected<Fetched, std::string> fetch(const std::string& name,
                                                            const std::string& what, Instant now);
    void end(const std::string& name);

    // The watchers of the sender's address, or of the address or domain of one of the recipients.
    [[nodiscard]] TraceWatchers match(const queue::Message& message,
                                      std::span<const std::uint32_t> recipients, Instant now);
    [[nodiscard]] std::uint64_t next_connection() { return ++connections_; }

private:
    void drop_silent(Instant now);

    std::vector<std::shared_ptr<TraceWatcher>> watchers_;
    std::uint64_t connections_ = 0;
};

// One connection, as its watchers see it.
class TraceTap {
public:
    TraceTap(std::uint64_t connection, std::string remote)
        : connection_(connection), remote_(std::move(remote)) {}

    void set_watchers(TraceWatchers watchers) { watchers_ = std::move(watchers); }
    void add_watchers(const TraceWatchers& watchers);
    void set_message(queue::MessageId id) { id_ = id; }

    void sent(Instant now, std::string_view bytes);
    void received(Instant now, std::string_view bytes);
    void note(Instant now, std::string_view text, TraceLine::Kind kind = TraceLine::Kind::note);

private:
    void tell(Instant now, TraceLine::Kind kind, std::string_view text);

    std::uint64_t connection_;
    std::string remote_;
    queue::MessageId id_ = 0;
    TraceWatchers watchers_;
    smtp::DialogueLines lines_;
};

}  // namespace mta::outbound
