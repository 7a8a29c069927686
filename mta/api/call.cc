#include "mta/api/call.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace mta::admin {
namespace {

using outbound::MessageView;
using outbound::QueueManager;

constexpr std::size_t described_at_once = 100;

// The answers of describe(), in whichever order they come.
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
    return of<Instant>(0, [](QueueManager&, Instant now) { return now; });
}

Outcome<void> Call::until_durable() const {
    for (const auto& post : shards_) {
        const auto result = call_shard<queue::StoreResult<void>>(
            post, patience_, [](QueueManager& manager, Instant, const auto& slot) {
                manager.when_durable(
                    [slot](queue::StoreResult<void> done) { slot->put(std::move(done)); });
            });
        if (!result) return too_slow();
        if (!*result) {
            return std::unexpected(Problem{
                503, "it was ordered, but it is not certain on disk: " + result->error().text});
        }
    }
    return {};
}

Outcome<Call::Views> Call::describe(std::size_t shard, std::vector<queue::MessageId> ids) const {
    auto views =
        call_shard<Views>(shards_[shard], patience_,
                          [ids = std::move(ids)](QueueManager& manager, Instant, const auto& slot) {
                              auto gathering = std::make_shared<Gathering>();
                              gathering->missing = ids.size();
                              gathering->slot = slot;
                              // Until it is read, what is known without the disk.
                              for (const auto id : ids)
                                  gathering->views.push_back(manager.find(id));
                              for (std::size_t place = 0; place < ids.size(); ++place) {
                                  manager.describe(ids[place], [gathering, place](auto described) {
                                      gathering->take(place, std::move(described));
                                  });
                              }
                          });
    if (!views) return too_slow();
    return std::move(*views);
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
        auto some = describe(shard, std::move(ids));
        if (!some) return std::unexpected(std::move(some).error());
        std::ranges::move(*some, std::back_inserter(views));
        begin = end;
    }
    return views;
}

}  // namespace mta::admin
