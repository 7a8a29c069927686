#include "queue/segment_log/writing/pending.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

namespace queue::segment_log {

void Pending::add(Operation operation) {
    if (!merge(operation)) operations_.push_back(std::move(operation));
}

bool Pending::merge(Operation& operation) {
    auto* update = std::get_if<Update>(&operation.what);
    if (update == nullptr) return false;
    const auto [known, is_first] = updates_.try_emplace(update->id, taken_ + operations_.size());
    if (is_first) return false;
    auto& waiting = operations_[static_cast<std::size_t>(known->second - taken_)];
    if (waiting.shard != operation.shard) return false;
    auto& earlier = std::get<Update>(waiting.what);
    earlier.states.merge(std::move(update->states));
    std::ranges::move(update->reports, std::back_inserter(earlier.reports));
    earlier.also.push_back(operation.ticket);
    return true;
}

Operation Pending::take_front() {
    auto operation = std::move(operations_.front());
    operations_.pop_front();
    if (const auto* update = std::get_if<Update>(&operation.what)) {
        const auto known = updates_.find(update->id);
        if (known != updates_.end() && known->second == taken_) updates_.erase(known);
    }
    ++taken_;
    return operation;
}

void Pending::answer_all(const StoreResult<void>& result, std::vector<Completion>& completions) {
    while (!operations_.empty()) answer(take_front(), result, completions);
}

void answer(const Operation& operation, const StoreResult<void>& result,
            std::vector<Completion>& completions) {
    completions.push_back({operation.shard, operation.ticket, result});
    const auto* update = std::get_if<Update>(&operation.what);
    if (update == nullptr) return;
    for (const auto ticket : update->also) completions.push_back({operation.shard, ticket, result});
}

}  // namespace queue::segment_log
