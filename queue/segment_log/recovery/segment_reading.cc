#include "queue/segment_log/recovery/segment_reading.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/format/salvage.h"
#include "queue/segment_log/format/segment_scan.h"

namespace queue::segment_log {
namespace {

DiskResult<std::string> read_bytes(DiskFile& file, std::uint64_t number, RecoveryReport& report) {
    const auto size = file.size();
    if (!size) return std::unexpected(size.error());
    auto all = file.read(0, static_cast<std::size_t>(*size));
    if (all || stops_the_start(all.error())) return all;
    // With bad sectors, what can be read counts, and the rest shows up as damage.
    constexpr std::size_t step_bytes = 4096;
    std::string bytes;
    std::size_t lost = 0;
    while (bytes.size() < *size) {
        const auto length =
            std::min<std::size_t>(step_bytes, static_cast<std::size_t>(*size) - bytes.size());
        auto part = file.read(bytes.size(), length);
        if (!part && stops_the_start(part.error())) return part;
        if (!part) ++lost;
        part ? bytes.append(*part) : bytes.append(length, '\0');
        if (part && part->size() < length) break;
    }
    report.notes.push_back(all.error().text + "; " + std::to_string(lost) + " blocks of segment " +
                           hex16(number) + " are unreadable");
    return bytes;
}

// Returns what could not be copied, and must therefore stay where it is.
std::uint64_t keep_damage(Disk& disk, std::uint64_t number, std::string_view bytes,
                          const SegmentScan::Hole& hole, RecoveryReport& report) {
    RecoveryReport::Damage damage{.segment = number,
                                  .offset = hole.offset,
                                  .bytes = hole.bytes,
                                  .what = "unreadable records"};
    std::uint64_t pinned_bytes = 0;
    if (hole.offset < bytes.size()) {
        auto path = quarantine(disk, quarantine_name(number, hole.offset),
                               bytes.substr(hole.offset, hole.bytes));
        if (path) damage.quarantine_path = std::move(*path);
        if (!path) pinned_bytes = hole.bytes;
    } else {
        damage.what = "the file ends before its records do";
    }
    report.damages.push_back(std::move(damage));
    return pinned_bytes;
}

// Messages of which only the body is damaged: their senders can be notified.
void salvage_from(std::string_view bytes, const SegmentHeader& header,
                  const SegmentScan::Hole& hole, DigestMaker& maker,
                  std::vector<MessageId>& damaged) {
    const auto end = std::min<std::uint64_t>(hole.offset + hole.bytes, bytes.size());
    for (auto at = hole.offset; at < end;) {
        const auto found = salvage_enqueue(bytes.substr(at, end - at), header.generation);
        if (!found) return;
        const Location where{.segment = header.number,
                             .offset = static_cast<std::uint32_t>(at),
                             .bytes = static_cast<std::uint32_t>(found->record.bytes())};
        if (!maker.add(where, found->record)) return;
        damaged.push_back(found->enqueue.message.id);
        at += found->record.bytes();
    }
}

// The segment stays where it is, so that the next start can try again.
StoreResult<ReadSegment> unreadable(const SegmentHeader& header, const DiskError& error,
                                    RecoveryReport& report) {
    if (stops_the_start(error)) return std::unexpected(to_store_error(error));
    report.damages.push_back({.segment = header.number,
                              .what = "a segment that cannot be read now: " + error.text,
                              .quarantine_path = ""});
    return ReadSegment{.digest = pinned_digest(header), .has_damage = true};
}

}  // namespace

Digest pinned_digest(const SegmentHeader& header) {
    DigestMaker maker;
    auto& head = maker.head();
    head.spool = header.spool;
    head.number = header.number;
    head.generation = header.generation;
    head.end = segment_header_bytes;
    head.pinned_bytes = segment_header_bytes;
    return maker.finish();
}

bool stops_the_start(const DiskError& error) { return error.is_denied() || error.is_temporary(); }

StoreResult<ReadSegment> read_segment(Disk& disk, const SegmentHeader& header, std::uint64_t end,
                                      RecoveryReport& report, std::uint64_t later_lsn) {
    auto file = disk.open(segment_path(header.number));
    if (!file) return unreadable(header, file.error(), report);
    const auto bytes = read_bytes(**file, header.number, report);
    if (!bytes) return unreadable(header, bytes.error(), report);
    DigestMaker maker;
    const auto scan = scan_segment(
        *bytes, header, end,
        [&](std::uint64_t offset, const Record& record) {
            const Location where{.segment = header.number,
                                 .offset = static_cast<std::uint32_t>(offset),
                                 .bytes = static_cast<std::uint32_t>(record.bytes())};
            if (maker.add(where, record)) return;
            // Its checksum is right, so a version that knows more has written it like this.
            maker.pin(where.bytes);
            report.damages.push_back({.segment = header.number,
                                      .offset = offset,
                                      .bytes = where.bytes,
                                      .what = "a record of an unknown kind; its segment is kept",
                                      .quarantine_path = ""});
        },
        later_lsn);
    std::vector<MessageId> damaged;
    for (const auto& hole : scan.damages) {
        maker.pin(keep_damage(disk, header.number, *bytes, hole, report));
        salvage_from(*bytes, header, hole, maker, damaged);
        if (damaged.empty()) continue;
        report.damages.back().what +=
            "; the envelope of message " + format_id(damaged.back()) + " is whole";
    }
    report.records += scan.records;
    auto& head = maker.head();
    head.spool = header.spool;
    head.number = header.number;
    head.generation = header.generation;
    head.end = scan.end;
    head.lsn_max = std::max(head.lsn_max, scan.lsn_max);
    return ReadSegment{.digest = maker.finish(),
                       .has_damage = !scan.damages.empty(),
                       .is_torn = scan.is_torn,
                       .damaged = std::move(damaged),
                       .file_bytes = bytes->size(),
                       .certain_end = scan.certain_end};
}

}  // namespace queue::segment_log
