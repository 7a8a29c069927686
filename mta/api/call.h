#pragma once
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mta/api/api.h"
#include "mta/api/json.h"
#include "mta/api/shard_call.h"
#include "mta/outbound/desk/message_filter.h"

namespace mta::admin {

// Why a request is not answered: an HTTP status and a sentence.
struct Problem {
    std::uint32_t status = 400;
    std::string text;
};
template <class T>
using Outcome = std::expected<T, Problem>;

[[nodiscard]] inline Response failure(std::uint32_t status, std::string_view text) {
    return {status, dump({{"error", text}})};
}
[[nodiscard]] inline Response failure(const Problem& problem) {
    return failure(problem.status, problem.text);
}
// A shard did not answer in time.
[[nodiscard]] inline Problem too_busy_problem() {
    return {503, "the relay is too busy to answer (a shard did not in time); try again"};
}
[[nodiscard]] inline Response too_busy() { return failure(too_busy_problem()); }
[[nodiscard]] inline Response success(const nlohmann::json& value) { return {200, dump(value)}; }

// A place in the queues of all shards: "0-4711".
struct Cursor {
    std::size_t shard = 0;
    outbound::ScanCursor position = 0;
};
[[nodiscard]] std::string to_string(const Cursor& cursor);
// Empty: the beginning.
[[nodiscard]] std::optional<Cursor> parse_cursor(std::string_view text);

struct FoundMessage {
    queue::MessageId id = 0;
    std::size_t shard = 0;
};

// One request's way through the shards. A question about the whole queue goes in steps, between
// which each shard's loop serves its mail.
class Call {
public:
    Call(const std::vector<Api::Post>& shards, Millis patience)
        : shards_(shards), patience_(patience) {}

    [[nodiscard]] std::size_t shard_count() const { return shards_.size(); }
    [[nodiscard]] Outcome<Instant> now() const;

    // `ask(manager, now)` of one shard, or of all.
    template <class T, class Ask>
    [[nodiscard]] Outcome<T> of(std::size_t shard, Ask ask) const {
        auto answer = call_shard<T>(
            shards_[shard], patience_,
            [ask = std::move(ask)](outbound::QueueManager& manager, Instant now,
                                   const auto& slot) mutable { slot->put(ask(manager, now)); });
        if (!answer) return too_slow();
        return std::move(*answer);
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

    // One step of a scan: `collector->add(hit, shard)` on the shard's thread; `needs_details()` as
    // of ScanRange. Shared, because a shard that was too slow may still be at it when we have given
    // up.
    template <class Collector>
    [[nodiscard]] Outcome<std::optional<Cursor>> scan(
        const outbound::MessageFilter& filter, const Cursor& from,
        const std::shared_ptr<Collector>& collector) const {
        const auto shard = from.shard;
        auto next = of<std::optional<outbound::ScanCursor>>(
            shard, [collector, filter, shard, position = from.position](
                       outbound::QueueManager& manager, Instant) {
                if constexpr (requires { collector->begin_turn(); }) collector->begin_turn();
                return manager.scan(filter,
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
    // Where to go on after a step.
    [[nodiscard]] std::optional<Cursor> after(const Cursor& from,
                                              std::optional<outbound::ScanCursor> next) const {
        if (next) return Cursor{from.shard, *next};
        if (from.shard + 1 < shards_.size()) return Cursor{from.shard + 1, 0};
        return std::nullopt;
    }

    // Each with what is on disk, in their order. Nothing: it has gone meanwhile. What cannot be
    // read is there as far as it is known (MessageView::message is null).
    using Views = std::vector<std::optional<outbound::MessageView>>;
    [[nodiscard]] Outcome<Views> describe(const std::vector<FoundMessage>& found) const;

    // What was ordered must not be lost by a crash after the answer.
    [[nodiscard]] Outcome<void> until_durable() const;

private:
    // One or two milliseconds of a shard's thread.
    static constexpr std::size_t step_messages = 50'000;

    [[nodiscard]] static std::unexpected<Problem> too_slow() {
        return std::unexpected(too_busy_problem());
    }
    [[nodiscard]] Outcome<Views> describe(std::size_t shard,
                                          std::vector<queue::MessageId> ids) const;

    const std::vector<Api::Post>& shards_;
    Millis patience_;
};

}  // namespace mta::admin
