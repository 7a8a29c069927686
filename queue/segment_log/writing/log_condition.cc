#include "queue/segment_log/writing/log_condition.h"

#include <utility>

namespace queue::segment_log {

void LogCondition::set(Trouble trouble, StoreError why) {
    const mta::MutexLock lock(mutex_);
    if (trouble == Trouble::broken && has(trouble)) return;
    reasons_[index(trouble)] = std::move(why);
    has_[index(trouble)] = true;
}

void LogCondition::clear(Trouble trouble) {
    if (trouble == Trouble::broken || !has(trouble)) return;
    const mta::MutexLock lock(mutex_);
    reasons_[index(trouble)].reset();
    has_[index(trouble)] = false;
}

std::optional<StoreError> LogCondition::reason(Trouble trouble) const {
    const mta::MutexLock lock(mutex_);
    return reasons_[index(trouble)];
}

std::optional<StoreError> LogCondition::refusal() const {
    const mta::MutexLock lock(mutex_);
    for (const auto& reason : reasons_) {
        if (reason) return reason;
    }
    return std::nullopt;
}

void LogCondition::add_note(std::string text) {
    const mta::MutexLock lock(mutex_);
    notes_.push_back(std::move(text));
}

std::vector<std::string> LogCondition::take_notes() {
    const mta::MutexLock lock(mutex_);
    return std::exchange(notes_, {});
}

}  // namespace queue::segment_log
