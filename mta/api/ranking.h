#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/outbound/desk/message_filter.h"

namespace mta::admin {

// How lists are sorted. What an operator looks for comes first: the oldest, the largest, what is
// tried next, what was tried most often; names by the alphabet.
enum class SortBy : std::uint8_t { age, size, next, attempts, sender, destination };
struct Order {
    SortBy by = SortBy::age;
    bool is_reversed = false;
};
// "age", "size", ...
[[nodiscard]] std::optional<SortBy> parse_sort(std::string_view name);

// A message's place in an order. The id is part of it, so that no two have the same.
struct Rank {
    std::int64_t number = 0;
    std::string text;
    queue::MessageId id = 0;

    auto operator<=>(const Rank&) const = default;
};
// As clients give it back to us: "<number>-<id>-<text in hex>".
[[nodiscard]] std::string to_cursor(const Rank& rank);
[[nodiscard]] std::optional<Rank> parse_rank(std::string_view cursor);

// Counts of what was found.
struct Totals {
    std::uint64_t messages = 0;
    std::uint64_t recipients = 0;
    std::uint64_t bytes = 0;  // of the messages, each rounded up to KiB
    std::optional<Instant> oldest;
    std::optional<Instant> next;  // the earliest next attempt; nothing: none has a time

    void add(const outbound::MessageHit& hit);
};

// The first so many of all that match, in memory for no more than these.
class Ranking {
public:
    struct Place {
        Rank rank;
        std::size_t shard = 0;
        std::size_t recipients = 0;  // MessageHit::recipients_in_all
    };

    // `after`: only what comes behind it, the next page.
    Ranking(Order order, std::size_t limit, std::optional<Rank> after)
        : order_(order), limit_(limit), after_(std::move(after)) {}

    // Whether add() looks at what a scan tells only with_details.
    [[nodiscard]] bool needs_details() const {
        return order_.by == SortBy::next || order_.by == SortBy::destination;
    }
    bool add(const outbound::MessageHit& hit, std::size_t shard);
    // In order.
    [[nodiscard]] std::vector<Place> take();
    // Of all that match, wherever they stand. `next` means nothing.
    [[nodiscard]] const Totals& totals() const { return totals_; }
    // There are others behind those of take().
    [[nodiscard]] bool has_more() const { return behind_ > limit_; }

private:
    Order order_;
    std::size_t limit_;
    std::optional<Rank> after_;
    std::vector<Place> heap_;   // the last one in order is on top
    std::uint64_t behind_ = 0;  // messages behind `after`
    Totals totals_;
};

}  // namespace mta::admin
