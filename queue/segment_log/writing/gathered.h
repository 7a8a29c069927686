#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "queue/segment_log/segments/log_options.h"
#include "queue/segment_log/writing/batch.h"
#include "queue/segment_log/writing/operation.h"
#include "queue/segment_log/writing/pending.h"
#include "queue/segment_log/writing/upload.h"

namespace queue::segment_log {

// Operations that are written together. They become a batch when its place on the disk is known.
struct Gathered {
    std::vector<Operation> operations;
    std::uint64_t bytes = 0;  // the room that the batch may need
    // Once there is a place for it: the batch, and what the callers are answered when it is
    // written.
    std::unique_ptr<Batch> batch;
    std::vector<Completion> completions;

    // Incoming mail is among the operations.
    [[nodiscard]] bool has_mail() const;
    // Counts `bytes` anew, after operations have been replaced by ones that discard.
    void measure(const Uploads& uploads);
};

// Takes from the front of the line as much as one batch may hold; a larger operation is taken
// alone. Empty if nothing waits. `carried_bytes`: room that the batch needs besides.
[[nodiscard]] std::optional<Gathered> gather(Pending& pending, const Uploads& uploads,
                                             const LogOptions& options,
                                             std::uint64_t carried_bytes);

}  // namespace queue::segment_log
