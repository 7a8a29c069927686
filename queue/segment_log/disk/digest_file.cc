#include "queue/segment_log/disk/digest_file.h"

#include <utility>

namespace queue::segment_log {
namespace {

bool belongs_to(const DigestHead& head, const SegmentHeader& segment) {
    return head.spool == segment.spool && head.number == segment.number &&
           head.generation == segment.generation;
}

}  // namespace

void put_digest(Disk& disk, const Digest& digest) {
    const auto path = index_path(digest.head().number);
    [[maybe_unused]] const auto removed = disk.remove(path);
    const auto file = disk.create(path);
    if (!file) return;
    // Half of one does not check out.
    [[maybe_unused]] const auto written = (*file)->write(0, digest.bytes());
}

std::optional<DigestHead> read_digest_head(Disk& disk, const SegmentHeader& segment) {
    const auto file = disk.open(index_path(segment.number));
    if (!file) return std::nullopt;
    const auto bytes = (*file)->read(0, Digest::head_bytes);
    const auto head = bytes ? Digest::parse_head(*bytes) : std::nullopt;
    if (!head || !belongs_to(*head, segment)) return std::nullopt;
    return head;
}

std::optional<Digest> read_digest(Disk& disk, const SegmentHeader& segment) {
    const auto file = disk.open(index_path(segment.number));
    if (!file) return std::nullopt;
    const auto size = (*file)->size();
    if (!size) return std::nullopt;
    auto bytes = (*file)->read(0, static_cast<std::size_t>(*size));
    auto digest = bytes ? Digest::parse(std::move(*bytes)) : std::nullopt;
    if (!digest || !belongs_to(digest->head(), segment)) return std::nullopt;
    return digest;
}

}  // namespace queue::segment_log
