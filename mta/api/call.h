#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mta/api/answer.h"
#include "mta/api/shard_call.h"
#include "mta/outbound/desk/message_filter.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// A place in the queues of all shards: "0-4711".
struct Cursor {
    std::size_t shard = 0;
    outbound::ScanCursor position = 0;
};
[[nodiscard]] std::string to_string(const Cursor& cursor);
// An empty text is the beginning.
[[nodiscard]] std::optional<Cursor> parse_cursor(std::string_view text);

struct FoundMessage {
    queue::MessageId id = 0;
    std::size_t shard = 0;
};

// The way of requests to the shards, for many threads at once. A question about the whole queue
// goes in steps, between which each shard's loop serves its mail. Each step waits at most
// `patience`; the problem of a step that takes longer is too_busy().
class Call {
public:
    Call(std::vector<Post> shards, Millis patience)
        : shards_(std::move(shards)), patience_(patience) {}

    [[nodiscard]] std::size_t shard_count() const { return shards_.size(); }
    [[nodiscard]] Outcome<Instant> now() const;

    // The result of `ask(desk, now)` on the thread of one shard, or of all shards in turn.
    template <class T, class Ask>
    [[nodiscard]] Outcome<T> of(std::size_t shard, Ask ask) const {
        return later<T>(shard,
                        [ask = std::move(ask)](Desk& desk, Instant now, const auto& slot) mutable {
                            slot->put(ask(desk, now));
                        });
    }
    template <class T, class Ask>
    [[nodiscard]] Outcome<std::vector<T>> of_all(const Ask& ask) const {
        std::vector<T> answers;
        for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
            auto answer = of<T>(shard, ask);
            if (!answer) return std::unexpected(std::move(answer).error());
            answers.push_back(std::move(*answer));
        }
        return answers;
    }
    // The same for an answer that is not there at once: `work(desk, now, slot)` puts it into the
    // slot.
    template <class T, class Work>
    [[nodiscard]] Outcome<T> later(std::size_t shard, Work work) const {
        auto answer = call_shard<T>(shards_[shard], patience_, std::move(work));
        if (!answer) return std::unexpected(too_busy());
        return std::move(*answer);
    }

    // One step of a scan: `collector->add(hit, shard)` on the shard's thread, with the details of
    // ScanRange if the collector needs_details(). The collector is shared, because a shard that was
    // too slow may still use it when this thread has given up.
    template <class Collector>
    [[nodiscard]] Outcome<std::optional<Cursor>> scan(
        const outbound::MessageFilter& filter, const Cursor& from,
        const std::shared_ptr<Collector>& collector) const {
        const auto shard = from.shard;
        auto next = of<std::optional<outbound::ScanCursor>>(
            shard, [collector, filter, shard, position = from.position](Desk& desk, Instant) {
                if constexpr (requires { collector->begin_turn(); }) collector->begin_turn();
                return desk.scan(filter,
                                 {.from = position,
                                  .messages_max = step_messages,
                                  .with_details = collector->needs_details()},
                                 [&](const auto& hit) { return collector->add(hit, shard); });
            });
        if (!next) return std::unexpected(std::move(next).error());
        return after(from, *next);
    }
    template <class Collector>
    [[nodiscard]] Outcome<void> scan_all(const outbound::MessageFilter& filter,
                                         const std::shared_ptr<Collector>& collector) const {
        std::optional<Cursor> cursor = Cursor{};
        while (cursor) {
            auto next = scan(filter, *cursor, collector);
            if (!next) return std::unexpected(std::move(next).error());
            cursor = *next;
        }
        return {};
    }
    // Where to go on after a step that ended at `next` of its shard. Empty if that was all.
    [[nodiscard]] std::optional<Cursor> after(const Cursor& from,
                                              std::optional<outbound::ScanCursor> next) const;

    // The messages with what is on disk, in the same order. A view is empty if its message has left
    // the queue meanwhile. Of a message that cannot be read the view has what is known without the
    // disk (MessageView::message is null).
    using Views = std::vector<std::optional<outbound::MessageView>>;
    [[nodiscard]] Outcome<Views> describe(const std::vector<FoundMessage>& found) const;
    // The same without those that have left the queue or, as their content shows, do not match the
    // filter after all. Messages that cannot be read are among them.
    [[nodiscard]] Outcome<std::vector<outbound::MessageView>> read(
        const outbound::MessageFilter& filter, const std::vector<FoundMessage>& found) const;

    // Waits until all orders so far are on disk, so that a crash after the answer does not lose
    // them.
    [[nodiscard]] Outcome<void> until_durable() const;

private:
    // One or two milliseconds of a shard's thread.
    static constexpr std::size_t step_messages = 50'000;

    [[nodiscard]] Outcome<Views> describe(std::size_t shard,
                                          std::vector<queue::MessageId> ids) const;

    std::vector<Post> shards_;
    Millis patience_;
};

}  // namespace mta::api
