#include "queue/segment_log/writing/refused_mail.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "queue/segment_log/writing/pending.h"

namespace queue::segment_log {

bool RefusedMail::must_refuse(const Operation& operation, bool is_full) {
    if (const auto* enqueue = std::get_if<Enqueue>(&operation.what))
        return is_full || cut_off_.contains(enqueue->message->id);
    if (const auto* body = std::get_if<AppendBody>(&operation.what))
        return is_full || cut_off_.contains(body->id);
    if (const auto* discard = std::get_if<DiscardBody>(&operation.what))
        cut_off_.erase(discard->id);
    return false;
}

// No 250 was sent for this mail.
void RefusedMail::refuse(Operation& operation, const StoreError& why, const EndedMail& ended) {
    StoreResult<void> result = std::unexpected(why);
    MessageId id = 0;
    if (const auto* enqueue = std::get_if<Enqueue>(&operation.what)) {
        id = enqueue->message->id;
        cut_off_.erase(id);
        if (ended.contains(id)) result = {};
    } else if (const auto* body = std::get_if<AppendBody>(&operation.what)) {
        id = body->id;
        cut_off_.insert(id);
    } else {
        return;
    }
    answer(operation, result, answers_);
    operation = {.shard = operation.shard, .ticket = 0, .what = DiscardBody{id}};
}

void RefusedMail::take_answers(std::vector<Completion>& completions) {
    std::ranges::move(answers_, std::back_inserter(completions));
    answers_.clear();
}

}  // namespace queue::segment_log
