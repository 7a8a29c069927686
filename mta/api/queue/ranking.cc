#include "mta/api/queue/ranking.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace mta::api {
namespace {

using outbound::MessageHit;

constexpr std::array<std::pair<std::string_view, SortBy>, 6> names = {
    {{"age", SortBy::age},
     {"size", SortBy::size},
     {"next", SortBy::next},
     {"attempts", SortBy::attempts},
     {"sender", SortBy::sender},
     {"destination", SortBy::destination}}};

// A Rank that does not own its text.
struct RankView {
    std::int64_t number = 0;
    std::string_view text;
    queue::MessageId id = 0;

    friend auto operator<=>(const RankView&, const RankView&) = default;
};

RankView view_of(const Rank& rank) { return {rank.number, rank.text, rank.id}; }

std::int64_t number_of(const MessageHit& hit, SortBy by) {
    switch (by) {
        case SortBy::age: return to_unix_ms(hit.arrived);
        case SortBy::size: return -static_cast<std::int64_t>(hit.size_bytes);
        case SortBy::next: {
            auto first = std::numeric_limits<std::int64_t>::max();
            for (const auto& recipient : hit.recipients) {
                if (recipient.next_attempt)
                    first = std::min(first, to_unix_ms(*recipient.next_attempt));
            }
            return first;
        }
        case SortBy::attempts: {
            std::int64_t most = 0;
            for (const auto& recipient : hit.recipients)
                most = std::max<std::int64_t>(most, recipient.attempts);
            return -most;
        }
        case SortBy::sender:
        case SortBy::destination: break;
    }
    return 0;
}

RankView rank_of(const MessageHit& hit, SortBy by) {
    RankView rank{.number = number_of(hit, by), .text = {}, .id = hit.id};
    if (by == SortBy::sender) rank.text = hit.sender;
    if (by == SortBy::destination) rank.text = hit.recipients.front().destination;
    return rank;
}

bool is_before(const RankView& a, const RankView& b, bool is_reversed) {
    return is_reversed ? b < a : a < b;
}

template <class Number>
std::optional<Number> take_number(std::string_view& text) {
    Number number{};
    const auto* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc{} || parsed.ptr == end || *parsed.ptr != '-') return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()) + 1);
    return number;
}

}  // namespace

std::optional<SortBy> parse_sort(std::string_view name) {
    for (const auto& [known, by] : names) {
        if (known == name) return by;
    }
    return std::nullopt;
}

std::string to_cursor(const Rank& rank) {
    constexpr std::string_view hex = "0123456789abcdef";
    auto cursor = std::to_string(rank.number) + '-' + std::to_string(rank.id) + '-';
    for (const char c : rank.text) {
        cursor += hex[static_cast<unsigned char>(c) >> 4];
        cursor += hex[static_cast<unsigned char>(c) & 15];
    }
    return cursor;
}

std::optional<Rank> parse_rank(std::string_view cursor) {
    const auto number = take_number<std::int64_t>(cursor);
    if (!number) return std::nullopt;
    const auto id = take_number<queue::MessageId>(cursor);
    if (!id || cursor.size() % 2 != 0) return std::nullopt;
    Rank rank{.number = *number, .text = {}, .id = *id};
    for (std::size_t i = 0; i < cursor.size(); i += 2) {
        std::uint8_t byte = 0;
        const auto* const end = cursor.data() + i + 2;
        const auto parsed = std::from_chars(cursor.data() + i, end, byte, 16);
        if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
        rank.text += static_cast<char>(byte);
    }
    return rank;
}

bool Ranking::add(const MessageHit& hit, std::size_t shard) {
    totals_.add(hit);
    const auto rank = rank_of(hit, order_.by);
    if (after_ && !is_before(view_of(*after_), rank, order_.is_reversed)) return true;
    ++behind_;
    const auto before = [this](const Place& a, const Place& b) {
        return is_before(view_of(a.rank), view_of(b.rank), order_.is_reversed);
    };
    if (heap_.size() == limit_) {
        if (!is_before(rank, view_of(heap_.front().rank), order_.is_reversed)) return true;
        std::ranges::pop_heap(heap_, before);
        heap_.pop_back();
    }
    heap_.push_back({.rank = {rank.number, std::string(rank.text), rank.id},
                     .shard = shard,
                     .recipients = hit.recipients_in_all});
    std::ranges::push_heap(heap_, before);
    return true;
}

std::vector<Ranking::Place> Ranking::take() {
    std::ranges::sort_heap(heap_, [this](const Place& a, const Place& b) {
        return is_before(view_of(a.rank), view_of(b.rank), order_.is_reversed);
    });
    return std::exchange(heap_, {});
}

std::vector<FoundMessage> found_in(const std::vector<Ranking::Place>& places) {
    std::vector<FoundMessage> found;
    found.reserve(places.size());
    for (const auto& place : places) found.push_back({place.rank.id, place.shard});
    return found;
}

}  // namespace mta::api
