#include "mta/api/why/ended.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mta/api/why/ended_words.h"

namespace mta::api {
namespace {

using outbound::MessageView;

constexpr std::size_t endings_max = 10;

struct Found {
    std::vector<outbound::EndingView> endings;
    Instant now;
};

std::optional<MessageView> read_report(const Call& call, std::size_t shard, queue::MessageId id) {
    using Described = queue::StoreResult<MessageView>;
    auto report = call.later<Described>(shard, [id](Desk& desk, Instant, const auto& slot) {
        desk.describe(id, [slot](auto view) { slot->put(std::move(view)); });
    });
    if (!report || !*report) return std::nullopt;
    return std::move(**report);
}

}  // namespace

Ended find_ended(const Call& call, const outbound::Endings::Query& query) {
    Ended ended;
    if (query.is_empty()) return ended;
    for (std::size_t shard = 0; shard < call.shard_count(); ++shard) {
        const auto found = call.of<Found>(shard, [query](Desk& desk, Instant now) {
            return Found{desk.endings(query, endings_max), now};
        });
        if (!found) continue;
        for (const auto& ending : found->endings) {
            std::ranges::move(words_about(ending, found->now), std::back_inserter(ended.lines));
            const bool is_there = std::ranges::find(ended.reports, ending.report,
                                                    &MessageView::id) != ended.reports.end();
            if (!ending.is_report_queued || is_there) continue;
            if (auto report = read_report(call, shard, ending.report))
                ended.reports.push_back(std::move(*report));
        }
    }
    return ended;
}

}  // namespace mta::api
