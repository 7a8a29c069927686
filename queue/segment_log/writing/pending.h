#pragma once
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "queue/segment_log/writing/operation.h"

namespace queue::segment_log {

// What waits to be written, in the order in which it was asked for.
//
// Of each message one Update waits: the next becomes part of it. So the states of a message with
// many recipients do not pile up while the disk is slow.
class Pending {
public:
    void add(Operation operation);
    [[nodiscard]] bool empty() const { return operations_.empty(); }
    [[nodiscard]] const Operation& front() const { return operations_.front(); }
    [[nodiscard]] Operation take_front();
    // `change` may turn each into another one, for the same message.
    template <class Visit>
    void visit(const Visit& change) {
        for (auto& operation : operations_) change(operation);
    }
    // Gives everything that is left this answer.
    void answer_all(const StoreResult<void>& result, std::vector<Completion>& completions);

private:
    [[nodiscard]] bool merge(Operation& operation);

    std::deque<Operation> operations_;
    std::uint64_t taken_ = 0;  // from the front, since the start
    // By message: the Update that waits, counted from the start.
    std::unordered_map<MessageId, std::uint64_t> updates_;
};

// Appends `result` as the answer to the operation and to those that became part of it.
void answer(const Operation& operation, const StoreResult<void>& result,
            std::vector<Completion>& completions);

}  // namespace queue::segment_log
