#pragma once
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "queue/segment_log/writing/operation.h"

namespace queue::segment_log {

// The operations that wait to be written, in the order of the requests.
//
// Of each message at most one Update waits: the next one becomes part of it. So the states of a
// message with many recipients do not pile up while the disk is slow.
class Pending {
public:
    void add(Operation operation);
    [[nodiscard]] bool empty() const { return operations_.empty(); }
    [[nodiscard]] const Operation& front() const { return operations_.front(); }
    [[nodiscard]] Operation take_front();
    // `change` may replace each operation by another one for the same message.
    template <class Visit>
    void visit(const Visit& change) {
        for (auto& operation : operations_) change(operation);
    }
    // Answers everything that is left with `result`.
    void answer_all(const StoreResult<void>& result, std::vector<Completion>& completions);

private:
    [[nodiscard]] bool merge(Operation& operation);

    std::deque<Operation> operations_;
    std::uint64_t taken_ = 0;  // from the front, since the start
    // By message: the number of the Update that waits, counted from the start.
    std::unordered_map<MessageId, std::uint64_t> updates_;
};

// Appends `result` as the answer to the operation and to those that became part of it.
void answer(const Operation& operation, const StoreResult<void>& result,
            std::vector<Completion>& completions);

}  // namespace queue::segment_log
