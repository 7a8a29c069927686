#include "mta/api/call.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace mta::api {
namespace {

using outbound::MessageView;

constexpr std::size_t described_at_once = 100;

// Collects the answers of describe(), in any order.
struct Gathering {
    Call::Views views;
    std::size_t missing = 0;
    std::shared_ptr<Slot<Call::Views>> slot;

    void take(std::size_t place, queue::StoreResult<MessageView> described) {
        if (described) {
            views[place] = std::move(*described);
        } else if (described.error().kind == queue::StoreError::Kind::not_found) {
            views[place].reset();
        }
        if (--missing == 0) slot->put(std::move(views));
    }
};

bool may_match(const outbound::MessageFilter& filter, const MessageView& message) {
    if (!filter.is_by_hash() || !message.message) return true;
    return std::ranges::any_of(message.recipients, [&](const auto& recipient) {
        return outbound::is_confirmed_by(filter, message, recipient);
    });
}

}  // namespace

std::string to_string(const Cursor& cursor) {
    return std::to_string(cursor.shard) + '-' + std::to_string(cursor.position);
}

std::optional<Cursor> parse_cursor(std::string_view text) {
    Cursor cursor;
    if (text.empty()) return cursor;
    const auto* const end = text.data() + text.size();
    const auto shard = std::from_chars(text.data(), end, cursor.shard);
    if (shard.ec != std::errc{} || shard.ptr == end || *shard.ptr != '-') return std::nullopt;
    const auto position = std::from_chars(shard.ptr + 1, end, cursor.position);
    if (position.ec != std::errc{} || position.ptr != end) return std::nullopt;
    return cursor;
}

Outcome<Instant> Call::now() const {
    if (shards_.empty()) return Instant{};
    return of<Instant>(0, [](Desk&, Instant now) { return now; });
}

std::optional<Cursor> Call::after(const Cursor& from,
                                  std::optional<outbound::ScanCursor> next) const {
    if (next) return Cursor{from.shard, *next};
    if (from.shard + 1 < shards_.size()) return Cursor{from.shard + 1, 0};
    return std::nullopt;
}

Outcome<void> Call::until_durable() const {
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
        MTA_TRY(done,
                later<queue::StoreResult<void>>(shard, [](Desk& desk, Instant, const auto& slot) {
                    desk.when_durable(
                        [slot](queue::StoreResult<void> result) { slot->put(std::move(result)); });
                }));
        if (!done) {
            return std::unexpected(Problem{
                503, "it was ordered, but it is not certain on disk: " + done.error().text});
        }
    }
    return {};
}

Outcome<Call::Views> Call::describe(std::size_t shard, std::vector<queue::MessageId> ids) const {
    return later<Views>(shard, [ids = std::move(ids)](Desk& desk, Instant, const auto& slot) {
        auto gathering = std::make_shared<Gathering>();
        gathering->missing = ids.size();
        gathering->slot = slot;
        // What is known without the disk, until the message is read.
        for (const auto id : ids) gathering->views.push_back(desk.find(id));
        for (std::size_t place = 0; place < ids.size(); ++place) {
            desk.describe(ids[place], [gathering, place](auto described) {
                gathering->take(place, std::move(described));
            });
        }
    });
}

Outcome<Call::Views> Call::describe(const std::vector<FoundMessage>& found) const {
    Views views;
    for (std::size_t begin = 0; begin < found.size();) {
        const auto shard = found[begin].shard;
        std::vector<queue::MessageId> ids;
        auto end = begin;
        for (; end < found.size() && end - begin < described_at_once; ++end) {
            if (found[end].shard != shard) break;
            ids.push_back(found[end].id);
        }
        MTA_TRY(some, describe(shard, std::move(ids)));
        std::ranges::move(some, std::back_inserter(views));
        begin = end;
    }
    return views;
}

Outcome<std::vector<MessageView>> Call::read(const outbound::MessageFilter& filter,
                                             const std::vector<FoundMessage>& found) const {
    MTA_TRY(views, describe(found));
    std::vector<MessageView> messages;
    for (auto& view : views) {
        if (view && may_match(filter, *view)) messages.push_back(std::move(*view));
    }
    return messages;
}

}  // namespace mta::api
