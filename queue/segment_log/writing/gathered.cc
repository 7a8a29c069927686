#include "queue/segment_log/writing/gathered.h"

#include <algorithm>
#include <cstddef>
#include <variant>

#include "queue/segment_log/format/segment_header.h"

namespace queue::segment_log {

bool Gathered::has_mail() const {
    return std::ranges::any_of(operations, [](const Operation& operation) {
        return std::holds_alternative<Enqueue>(operation.what) ||
               std::holds_alternative<AppendBody>(operation.what);
    });
}

void Gathered::measure(const Uploads& uploads) {
    bytes = Batch::lead_bytes;
    for (const auto& operation : operations) bytes += Batch::bytes_max(operation, uploads, 0);
}

std::optional<Gathered> gather(Pending& pending, const Uploads& uploads, const LogOptions& options,
                               std::uint64_t carried_bytes) {
    Gathered gathered{.operations = {}, .bytes = Batch::lead_bytes, .batch = {}, .completions = {}};
    // A batch also keeps within a segment, so that a segment is as large as it was meant to be.
    const auto bytes_max =
        std::min(options.batch_bytes_max, options.segment_bytes - segment_header_bytes);
    std::uint32_t records = 0;
    std::size_t pieces = 0;
    while (!pending.empty()) {
        const auto& next = pending.front();
        const auto more = Batch::bytes_max(next, uploads, pieces);
        records += Batch::record_count(next);
        const bool is_too_large = gathered.bytes + carried_bytes + more > bytes_max;
        if (!gathered.operations.empty() && (is_too_large || records > options.batch_records_max))
            break;
        gathered.bytes += more;
        if (std::holds_alternative<AppendBody>(next.what)) ++pieces;
        gathered.operations.push_back(pending.take_front());
    }
    if (gathered.operations.empty()) return std::nullopt;
    return gathered;
}

}  // namespace queue::segment_log
