#include "mta/api/ended.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mta/api/shard_call.h"
#include "mta/api/why_gone.h"

namespace mta::admin {
namespace {

using outbound::QueueManager;

constexpr std::size_t endings_max = 10;

struct Found {
    std::vector<outbound::EndingView> endings;
    Instant now;
};

}  // namespace

Ended find_ended(const std::vector<Api::Post>& shards, Millis patience,
                 const outbound::Endings::Query& query) {
    Ended ended;
    if (query.is_empty()) return ended;
    for (const auto& post : shards) {
        const auto found = call_shard<Found>(
            post, patience, [query](QueueManager& manager, Instant now, const auto& slot) {
                slot->put({manager.endings(query, endings_max), now});
            });
        if (!found) continue;
        for (const auto& ending : found->endings) {
            std::ranges::move(words_about(ending, found->now), std::back_inserter(ended.lines));
            const bool is_there =
                std::ranges::find(ended.reports, ending.report, &outbound::MessageView::id) !=
                ended.reports.end();
            if (!ending.is_report_queued || is_there) continue;
            using Described = queue::StoreResult<outbound::MessageView>;
            auto report = call_shard<Described>(
                post, patience,
                [id = ending.report](QueueManager& manager, Instant, const auto& slot) {
                    manager.describe(id, [slot](auto view) { slot->put(std::move(view)); });
                });
            if (report && *report) ended.reports.push_back(std::move(**report));
        }
    }
    return ended;
}

}  // namespace mta::admin
