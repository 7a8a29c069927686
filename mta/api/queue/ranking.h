#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/api/call.h"
#include "mta/api/queue/totals.h"
#include "mta/outbound/desk/message_filter.h"

namespace mta::api {

// How a list is sorted. What an operator looks for comes first: the oldest, the largest, the
// message that is tried next, the one with most attempts. Names are in alphabetical order.
enum class SortBy : std::uint8_t { age, size, next, attempts, sender, destination };
struct SortOrder {
    SortBy by = SortBy::age;
    bool is_reversed = false;
};
// "age", "size", ...
[[nodiscard]] std::optional<SortBy> parse_sort(std::string_view name);

// The place of a message in a sorted list. The id is part of it, so that no two messages have the
// same place.
struct Rank {
    std::int64_t number = 0;
    std::string text;
    queue::MessageId id = 0;

    auto operator<=>(const Rank&) const = default;
};
// The form in which clients send it back: "<number>-<id>-<text in hex>".
[[nodiscard]] std::string to_cursor(const Rank& rank);
[[nodiscard]] std::optional<Rank> parse_rank(std::string_view cursor);

// Collects the first `limit` messages of all that a scan finds. It keeps no more than these in
// memory.
class Ranking {
public:
    struct Place {
        Rank rank;
        std::size_t shard = 0;
        std::size_t recipients = 0;  // MessageHit::recipients_in_all
    };

    // `after`: only messages behind this place, for the next page.
    Ranking(SortOrder order, std::size_t limit, std::optional<Rank> after)
        : order_(order), limit_(limit), after_(std::move(after)) {}

    // Whether add() reads what a scan gives only with_details.
    [[nodiscard]] bool needs_details() const {
        return order_.by == SortBy::next || order_.by == SortBy::destination;
    }
    bool add(const outbound::MessageHit& hit, std::size_t shard);
    // In the order of the list.
    [[nodiscard]] std::vector<Place> take();
    // Of all messages that match, on this page or not. `next` has no meaning.
    [[nodiscard]] const Totals& totals() const { return totals_; }
    // Whether more messages follow those of take().
    [[nodiscard]] bool has_more() const { return behind_ > limit_; }

private:
    SortOrder order_;
    std::size_t limit_;
    std::optional<Rank> after_;
    std::vector<Place> heap_;   // the last one in order is on top
    std::uint64_t behind_ = 0;  // messages behind `after_`
    Totals totals_;
};

[[nodiscard]] std::vector<FoundMessage> found_in(const std::vector<Ranking::Place>& places);

}  // namespace mta::api
