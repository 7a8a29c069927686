#pragma once
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "queue/segment_log/writing/operation.h"

namespace queue::segment_log {

// What waits to be written, in the order in which it was asked for.
//
// Of each message one Update waits: the next becomes part of it. So a disk that is slow does not
// let the states of a message with many recipients pile up.
class Pending {
public:
    void add(Operation operation);
    [[nodiscard]] bool empty() const { return operations_.empty(); }
    [[nodiscard]] const Operation& front() const { return operations_.front(); }
    [[nodiscard]] Operation take_front();
    // Each may be made another one, for the same message.
    template <class Visit>
    void visit(const Visit& change) {
        for (auto& operation : operations_) change(operation);
    }
    // All that is left has this answer.
    void answer_all(const StoreResult<void>& result, std::vector<Completion>& completions);

private:
    [[nodiscard]] bool merge(Operation& operation);

    std::deque<Operation> operations_;
    std::uint64_t taken_ = 0;  // from the front, since the start
    // By message: the Update that waits, counted from the start.
    std::unordered_map<MessageId, std::uint64_t> updates_;
};

// `result` for whoever asked for the operation, or for what became part of it.
void answer(const Operation& operation, const StoreResult<void>& result,
            std::vector<Completion>& completions);

}  // namespace queue::segment_log
