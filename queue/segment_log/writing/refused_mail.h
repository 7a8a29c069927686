#pragma once
#include <set>
#include <vector>

#include "queue/message.h"
#include "queue/segment_log/writing/operation.h"
#include "queue/store.h"

namespace queue::segment_log {

// Mail that finds no room on a full disk: it is answered with no_space and leaves nothing behind.
//
// Refusing a piece of a body refuses the rest of that message, too.
class RefusedMail {
public:
    // Messages of which a Finish without reports waits: they were delivered from memory, so that
    // nothing of them has to be kept.
    using EndedMail = std::set<MessageId>;

    // Whether the operation is mail that must be refused.
    [[nodiscard]] bool must_refuse(const Operation& operation, bool is_full);
    // If the operation is mail: answers it with `why` (or with success if the message has ended),
    // and makes it one that discards the pieces of its body. Other operations stay as they are.
    void refuse(Operation& operation, const StoreError& why, const EndedMail& ended = {});
    [[nodiscard]] bool has_answers() const { return !answers_.empty(); }
    // Moves the answers to the end of `completions`.
    void take_answers(std::vector<Completion>& completions);

private:
    std::set<MessageId> cut_off_;  // bodies of which a piece was refused
    std::vector<Completion> answers_;
};

}  // namespace queue::segment_log
