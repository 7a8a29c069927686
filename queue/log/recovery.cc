#include "queue/log/recovery.h"

#include <algorithm>
#include <map>

#include "queue/log/segment_scan.h"
#include "queue/log/spool_folder.h"

namespace queue::log {
namespace {

DiskResult<std::string> read_bytes(DiskFile& file, std::uint64_t number, RecoveryReport& report) {
    const auto size = file.size();
    if (!size) return std::unexpected(size.error());
    auto all = file.read(0, static_cast<std::size_t>(*size));
    if (all) return all;
    // Bad sectors: what can be read counts, the rest shows up as damage.
    constexpr std::size_t step_bytes = 4096;
    std::string bytes;
    std::size_t lost = 0;
    while (bytes.size() < *size) {
        const auto length =
            std::min<std::size_t>(step_bytes, static_cast<std::size_t>(*size) - bytes.size());
        auto part = file.read(bytes.size(), length);
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

class Surveyor {
public:
    Surveyor(Disk& disk, const LogOptions& options) : disk_(disk), options_(options) {}

    StoreResult<Survey> run();

private:
    struct Candidate {
        SegmentHeader header;
        std::optional<SegmentOrigin> origin;
        std::uint64_t end = 0;  // as its successor or its digest says; 0: neither does
        bool is_named = false;  // by a successor
        std::uint64_t file_bytes = 0;
        std::optional<Digest> digest;
        DigestHead head;  // of the digest, or of the one on disk
    };

    StoreResult<void> list_segments();
    StoreResult<void> look_at(std::uint64_t number);
    void set_aside(std::uint64_t number, std::string why);
    void choose_spool();
    void note_origin(Candidate& candidate);
    StoreResult<void> read_whole(Candidate& candidate);
    StoreResult<void> read_tails();
    DiskResult<void> sort_out_unused();
    void sort_out_free();
    void conclude();
    DiskResult<void> make_certain(Candidate& candidate, std::uint64_t file_bytes);

    Disk& disk_;
    const LogOptions& options_;
    Survey result_;
    std::map<std::uint64_t, Candidate> candidates_;
    std::vector<std::uint64_t> orphan_indexes_;
};

StoreResult<Survey> Surveyor::run() {
    if (auto listed = list_segments(); !listed) return std::unexpected(listed.error());
    choose_spool();
    for (auto& [number, candidate] : candidates_) note_origin(candidate);
    for (auto& [number, candidate] : candidates_) {
        if (!candidate.origin) continue;
        const auto previous = candidates_.find(candidate.origin->previous);
        if (previous == candidates_.end() || previous->first >= number) continue;
        previous->second.end = candidate.origin->previous_end;
        previous->second.is_named = true;
    }
    if (auto read = read_tails(); !read) return std::unexpected(read.error());
    if (auto sorted = sort_out_unused(); !sorted)
        return std::unexpected(to_store_error(sorted.error()));
    sort_out_free();
    conclude();
    return std::move(result_);
}

StoreResult<void> Surveyor::list_segments() {
    auto names = disk_.list("seg");
    if (!names) return std::unexpected(to_store_error(names.error()));
    for (const auto& name : *names) {
        if (const auto index = parse_index_file_name(name)) {
            orphan_indexes_.push_back(*index);
            continue;
        }
        const auto number = parse_segment_file_name(name);
        if (!number) {
            result_.report.notes.push_back("seg/" + name + " is none of ours and is left alone");
            continue;
        }
        result_.number_max = std::max(result_.number_max, *number);
        if (auto looked = look_at(*number); !looked) return looked;
    }
    // A number is never used twice, so that names in quarantine/ stay unique too.
    if (auto kept = disk_.list("quarantine")) {
        for (const auto& name : *kept) {
            const auto number = parse_segment_file_name(name);
            if (number) result_.number_max = std::max(result_.number_max, *number);
        }
    }
    return {};
}

StoreResult<void> Surveyor::look_at(std::uint64_t number) {
    auto file = disk_.open(segment_path(number));
    if (!file) return std::unexpected(to_store_error(file.error()));
    const auto bytes = (*file)->read(0, segment_header_bytes);
    const auto header = bytes ? parse_header(*bytes) : std::nullopt;
    if (!header) {
        set_aside(number, "unreadable segment header");
    } else if (header->version > format_version) {
        return std::unexpected(newer_version_error(disk_, header->version));
    } else if (header->number != number) {
        set_aside(number, "a segment by a wrong name");
    } else {
        candidates_[number] = {.header = *header,
                               .origin = {},
                               .end = 0,
                               .is_named = false,
                               .file_bytes = (*file)->size().value_or(0),
                               .digest = {},
                               .head = {}};
    }
    return {};
}

// A segment gets its name only with a synced header, so this is damage, and its records cannot be
// told from noise: the whole file is kept.
void Surveyor::set_aside(std::uint64_t number, std::string why) {
    const auto name = segment_file_name(number);
    RecoveryReport::Damage damage{.segment = number, .what = std::move(why)};
    if (auto file = disk_.open(segment_path(number))) {
        damage.bytes = (*file)->size().value_or(0);
    }
    auto moved = disk_.rename(segment_path(number), "quarantine/" + name);
    if (moved) moved = disk_.sync_directory("quarantine");
    if (moved) moved = disk_.sync_directory("seg");
    if (moved) damage.quarantine_path = "quarantine/" + name;
    result_.report.damages.push_back(std::move(damage));
}

void Surveyor::choose_spool() {
    if (candidates_.empty()) return;
    result_.spool = candidates_.rbegin()->second.header.spool;
    result_.has_spool = true;
    std::vector<std::uint64_t> strangers;
    for (const auto& [number, candidate] : candidates_) {
        if (candidate.header.spool != result_.spool) strangers.push_back(number);
    }
    for (const auto number : strangers) {
        candidates_.erase(number);
        set_aside(number, "a segment of another spool");
    }
}

// From the digest, else from the first record.
void Surveyor::note_origin(Candidate& candidate) {
    if (const auto head = read_digest_head(disk_, candidate.header)) {
        candidate.origin = head->origin;
        candidate.end = head->end;
        candidate.is_named = true;  // only of closed ones is there a digest
        candidate.head = *head;
        return;
    }
    auto file = disk_.open(segment_path(candidate.header.number));
    if (!file) return;
    const auto bytes = (*file)->read(segment_header_bytes, record_header_bytes + batch_bytes);
    const auto record = bytes ? parse_record(*bytes, candidate.header.generation) : std::nullopt;
    if (!record || record->type != RecordType::batch) return;
    if (const auto batch = parse_batch(record->payload)) candidate.origin = batch->origin;
}

StoreResult<void> Surveyor::read_whole(Candidate& candidate) {
    auto read = read_segment(disk_, candidate.header, 0, result_.report);
    if (!read) return std::unexpected(std::move(read).error());
    const auto& head = read->digest.head();
    candidate.end = head.end;
    candidate.head = head;
    if (head.records > 0) candidate.origin = head.origin;
    if (read->is_torn) {
        result_.report.has_torn_tail = true;
        result_.report.torn_tail_segment = head.number;
        result_.report.torn_tail_offset = head.end;
    }
    if (auto done = make_certain(candidate, read->file_bytes); !done) {
        return std::unexpected(to_store_error(done.error()));
    }
    candidate.digest = std::move(read->digest);
    return {};
}

// Nobody names the last one of a stream, nor one that has no record yet.
StoreResult<void> Surveyor::read_tails() {
    for (auto& [number, candidate] : candidates_) {
        if (candidate.is_named) continue;
        if (auto read = read_whole(candidate); !read) return read;
    }
    return {};
}

// After a kill the last writes may be in the page cache only.
DiskResult<void> Surveyor::make_certain(Candidate& candidate, std::uint64_t file_bytes) {
    if (candidate.head.records == 0) return {};
    // The one behind it is lost: what is not understood at its end is left for people to look at.
    const auto stream = candidate.head.origin.stream;
    const bool is_last = std::ranges::none_of(candidates_, [&](const auto& other) {
        return other.first > candidate.header.number && other.second.origin &&
               other.second.origin->stream == stream;
    });
    auto file = disk_.open(segment_path(candidate.header.number));
    if (!file) return std::unexpected(std::move(file).error());
    if (is_last && file_bytes != candidate.end) {
        if (auto cut = (*file)->resize(candidate.end); !cut) return cut;
        candidate.file_bytes = candidate.end;
    }
    return (*file)->sync();
}

// Segments that were made ready and never written to.
DiskResult<void> Surveyor::sort_out_unused() {
    bool has_moved = false;
    for (auto at = candidates_.begin(); at != candidates_.end();) {
        const auto& [number, candidate] = *at;
        const bool is_unused = !candidate.is_named && candidate.digest &&
                               candidate.digest->head().records == 0 &&
                               candidate.digest->head().pinned_bytes == 0;
        if (!is_unused) {
            ++at;
            continue;
        }
        auto moved = disk_.rename(segment_path(number), "free/" + segment_file_name(number));
        if (!moved) return moved;
        has_moved = true;
        at = candidates_.erase(at);
    }
    if (!has_moved) return {};
    // Before any of them gets a new header under its old name.
    for (const auto* folder : {"seg", "free"})
        if (auto synced = disk_.sync_directory(folder); !synced) return synced;
    return {};
}

void Surveyor::sort_out_free() {
    for (const auto number : orphan_indexes_) {
        if (candidates_.contains(number)) continue;
        [[maybe_unused]] const auto removed = disk_.remove(index_path(number));
    }
    const auto names = disk_.list("free");
    if (!names) return;
    for (const auto& name : *names) {
        const auto path = "free/" + name;
        auto file = disk_.open(path);
        const auto size = file ? (*file)->size().value_or(0) : 0;
        const bool is_useful = size >= options_.segment_bytes / 4 * 3 &&
                               size <= options_.segment_bytes &&
                               result_.free_paths.size() < options_.free_segments_max;
        if (is_useful || !disk_.remove(path)) result_.free_paths.push_back(path);
    }
}

void Surveyor::conclude() {
    std::uint64_t lsn_max = 0;
    std::uint64_t id_max = 0;
    std::uint64_t ceiling_lsn = 0;
    std::uint64_t ceiling = 1;
    for (auto& [number, candidate] : candidates_) {
        const auto origin = candidate.origin.value_or(SegmentOrigin{});
        const auto& head = candidate.head;
        lsn_max = std::max({lsn_max, head.lsn_max, origin.first_lsn});
        id_max = std::max(id_max, head.id_max);
        if (head.ceiling_lsn > ceiling_lsn) {
            ceiling_lsn = head.ceiling_lsn;
            ceiling = head.id_ceiling;
        }
        auto& tail = result_.tails[static_cast<std::size_t>(origin.stream)];
        if (candidate.origin && number > tail.number) tail = {number, candidate.end};
        result_.segments.push_back({.header = candidate.header,
                                    .origin = origin,
                                    .end = candidate.end,
                                    .file_bytes = candidate.file_bytes,
                                    .digest = std::move(candidate.digest)});
    }
    result_.next_lsn = lsn_max + 1;
    result_.next_id = std::max(ceiling, id_max + 1);
    result_.report.segments = result_.segments.size();
}

}  // namespace

StoreResult<Survey> survey_spool(Disk& disk, const LogOptions& options) {
    return Surveyor(disk, options).run();
}

StoreResult<ReadSegment> read_segment(Disk& disk, const SegmentHeader& header, std::uint64_t end,
                                      RecoveryReport& report) {
    auto file = disk.open(segment_path(header.number));
    if (!file) return std::unexpected(to_store_error(file.error()));
    const auto bytes = read_bytes(**file, header.number, report);
    if (!bytes) return std::unexpected(to_store_error(bytes.error()));
    DigestMaker maker;
    const auto scan =
        scan_segment(*bytes, header, end, [&](std::uint64_t offset, const Record& record) {
            const Location where{.segment = header.number,
                                 .offset = static_cast<std::uint32_t>(offset),
                                 .bytes = static_cast<std::uint32_t>(record.bytes())};
            if (maker.add(where, record)) return;
            // Its checksum is right, so it was written like this: by a version that knows more.
            maker.pin(where.bytes);
            report.damages.push_back({.segment = header.number,
                                      .offset = offset,
                                      .bytes = where.bytes,
                                      .what = "a record of an unknown kind; its segment is kept",
                                      .quarantine_path = ""});
        });
    for (const auto& hole : scan.damages) {
        maker.pin(keep_damage(disk, header.number, *bytes, hole, report));
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
                       .file_bytes = bytes->size()};
}

}  // namespace queue::log
