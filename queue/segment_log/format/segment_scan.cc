#include "queue/segment_log/format/segment_scan.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "queue/bytes.h"
#include "queue/segment_log/format/payload.h"

namespace queue::segment_log {
namespace {

struct Found {
    std::uint64_t offset = 0;
    Record record;
};

// The first whole record at or behind `from` whose lsn is at least `lsn_min`: a record inside a
// mailed copy of this very segment has a lower one.
std::optional<Found> find_record(std::string_view bytes, std::uint64_t from, Generation generation,
                                 std::uint64_t lsn_min) {
    for (auto at = aligned(from); at + record_header_bytes <= bytes.size();
         at += record_alignment) {
        const auto record = parse_record(bytes.substr(at), generation);
        if (record && record->lsn >= lsn_min) return Found{at, *record};
    }
    return std::nullopt;
}

// Whether some BATCH from `found` on says that `lsn` was certain when it was written or, with `lsn`
// 0, that the segment's first record was.
bool was_certain(std::string_view bytes, std::optional<Found> found, Generation generation,
                 std::uint64_t lsn) {
    while (found) {
        if (found->record.type == RecordType::batch) {
            const auto batch = parse_batch(found->record.payload);
            if (batch && batch->durable_lsn >= (lsn != 0 ? lsn : batch->origin.first_lsn)) {
                return true;
            }
        }
        found = find_record(bytes, found->offset + found->record.bytes(), generation,
                            found->record.lsn + 1);
    }
    return false;
}

std::uint64_t lsn_max_behind(std::string_view bytes, std::optional<Found> found,
                             Generation generation) {
    std::uint64_t lsn = 0;
    while (found) {
        lsn = std::max(lsn, found->record.lsn);
        found = find_record(bytes, found->offset + found->record.bytes(), generation, 0);
    }
    return lsn;
}

constexpr std::size_t at_record_length = 4;
constexpr std::size_t at_record_type = 8;
constexpr std::size_t at_record_tag = 12;
constexpr std::size_t at_record_lsn = 16;

bool has_tag(std::string_view bytes, std::uint64_t offset, Generation generation) {
    return offset + record_header_bytes <= bytes.size() &&
           get_at<std::uint32_t>(bytes, offset + at_record_tag) == generation.tag();
}

// How many bytes were written at `offset` of a closed segment behind its last good record. The tag
// may be what is damaged: then the record's lsn distinguishes it from what the file held in an
// earlier life, where all lsns were lower.
std::uint64_t broken_record_bytes(std::string_view bytes, std::uint64_t offset,
                                  Generation generation, std::uint64_t lsn_next,
                                  std::uint64_t later_lsn) {
    if (offset + record_header_bytes > bytes.size()) return 0;
    const auto type = get_at<std::uint8_t>(bytes, offset + at_record_type);
    const auto lsn = get_at<std::uint64_t>(bytes, offset + at_record_lsn);
    const bool has_its_lsn = lsn_next != 0 && lsn >= lsn_next && lsn < later_lsn && type >= 1 &&
                             type <= std::to_underlying(RecordType::batch);
    if (!has_tag(bytes, offset, generation) && !has_its_lsn) return 0;
    const auto left = bytes.size() - offset;
    const auto length = get_at<std::uint32_t>(bytes, offset + at_record_length);
    const auto claimed = aligned(record_header_bytes + std::uint64_t{length});
    if (length <= payload_bytes_max && claimed <= left) return claimed;
    const auto last = bytes.find_last_not_of('\0');
    return std::min<std::uint64_t>(aligned(last + 1 - offset), left);
}

// Whether it may stand behind the record before, whose lsn is one less than `lsn_next`. The other
// stream may have taken numbers between two batches, but not within one.
bool is_next(const Record& record, std::uint64_t lsn_next, bool after_hole) {
    if (lsn_next == 0) return after_hole || record.type == RecordType::batch;
    if (record.lsn == lsn_next) return true;
    return record.lsn > lsn_next && (after_hole || record.type == RecordType::batch);
}

}  // namespace

SegmentScan scan_segment(std::string_view bytes, const SegmentHeader& header,
                         std::uint64_t end_known, const OnRecord& on_record,
                         std::uint64_t later_lsn) {
    const bool is_end_known = end_known != 0;
    const bool is_last = !is_end_known && later_lsn == 0;
    if (is_end_known) bytes = bytes.substr(0, end_known);
    SegmentScan scan;
    std::deque<std::pair<std::uint64_t, std::uint64_t>> uncertain;  // lsn, offset
    std::uint64_t at = segment_header_bytes;
    std::uint64_t lsn_next = 0;  // not known yet
    bool after_hole = false;
    while (at < bytes.size()) {
        const auto record = parse_record(bytes.substr(at), header.generation);
        if (record && is_next(*record, lsn_next, after_hole)) {
            on_record(at, *record);
            if (const auto batch = record->type == RecordType::batch ? parse_batch(record->payload)
                                                                     : std::nullopt) {
                if (!scan.origin) scan.origin = batch->origin;
                while (!uncertain.empty() && uncertain.front().first <= batch->durable_lsn)
                    uncertain.pop_front();
            }
            if (is_last) uncertain.emplace_back(record->lsn, at);
            ++scan.records;
            scan.lsn_max = record->lsn;
            lsn_next = record->lsn + 1;
            at += record->bytes();
            after_hole = false;
            continue;
        }
        const auto next = find_record(bytes, at + record_alignment, header.generation, lsn_next);
        if (is_last && !was_certain(bytes, next, header.generation, lsn_next)) {
            scan.is_torn = next.has_value() || has_tag(bytes, at, header.generation);
            scan.lsn_max = std::max(scan.lsn_max, lsn_max_behind(bytes, next, header.generation));
            break;
        }
        auto hole_end = next ? next->offset : bytes.size();
        if (!next && !is_end_known) {
            const auto broken =
                broken_record_bytes(bytes, at, header.generation, lsn_next, later_lsn);
            if (broken == 0) break;
            hole_end = at + broken;
        }
        scan.damages.push_back({at, hole_end - at});
        at = hole_end;
        after_hole = true;
    }
    scan.end = at;
    scan.certain_end = uncertain.empty() ? at : uncertain.front().second;
    if (is_end_known && bytes.size() < end_known) {
        scan.damages.push_back({bytes.size(), end_known - bytes.size()});
    }
    return scan;
}

std::size_t count_unfinished(std::string_view bytes) {
    constexpr std::size_t at_tag = 12;  // in a record
    if (bytes.size() < segment_header_bytes + record_header_bytes) return 0;
    bytes.remove_prefix(segment_header_bytes);
    const Generation generation{std::uint64_t{get_at<std::uint32_t>(bytes, at_tag)} << 32};
    if (generation.tag() == 0) return 0;
    std::set<MessageId> unfinished;
    for (auto frame = parse_frame(bytes, generation); frame;
         frame = parse_frame(bytes, generation)) {
        if (frame->type == RecordType::enqueue) {
            if (const auto enqueue = parse_enqueue(frame->payload))
                unfinished.insert(enqueue->message.id);
        } else if (frame->type == RecordType::done) {
            if (const auto done = parse_done(frame->payload)) unfinished.erase(done->id);
        }
        bytes.remove_prefix(frame->bytes());
    }
    return unfinished.size();
}

}  // namespace queue::segment_log
