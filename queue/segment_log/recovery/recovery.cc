#include "queue/segment_log/recovery/recovery.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "queue/segment_log/disk/digest_file.h"
#include "queue/segment_log/format/segment_scan.h"

namespace queue::segment_log {
namespace {

// How far the number of a file that is no segment of this spool may be above those of the spool's
// segments and still count: strange numbers must not use up the row.
constexpr std::uint64_t number_leap_max = 65'536;

// So much of a file that is set aside is searched for mail. Most segments are smaller.
constexpr std::uint64_t bytes_counted_max = 256u << 20;

std::string unfinished_words(std::size_t messages) {
    if (messages == 0) return {};
    return "; it seems to hold " + std::to_string(messages) +
           (messages == 1 ? " message that is" : " messages that are") + " not delivered now";
}

class Surveyor {
public:
    Surveyor(Disk& disk, const LogOptions& options, const std::optional<SpoolVersion>& version)
        : disk_(disk), options_(options), version_(version) {}

    StoreResult<Survey> run();

private:
    struct Candidate {
        SegmentHeader header;
        std::optional<SegmentOrigin> origin;
        std::uint64_t end = 0;  // as its successor or its digest says; 0 if neither does
        bool is_named = false;  // by a successor
        bool is_unreadable = false;
        bool is_mended = false;  // what its header says is not all that is on disk
        std::uint64_t file_bytes = 0;
        std::optional<Digest> digest;
        std::vector<MessageId> damaged;
        DigestHead head;  // of the digest, or of the one on disk
    };

    StoreResult<void> list_segments();
    StoreResult<void> look_at(std::uint64_t number);
    StoreResult<void> take_unreadable(std::uint64_t number, const DiskError& error);
    void set_aside(std::uint64_t number, std::string why);
    void choose_spool();
    StoreResult<void> note_origin(Candidate& candidate);
    // The first lsn of the next segment of its stream, as far as that is known; 0 if there is none.
    [[nodiscard]] std::uint64_t later_lsn(const Candidate& candidate) const;
    StoreResult<void> read_whole(Candidate& candidate);
    StoreResult<void> read_tails();
    DiskResult<void> sort_out_unused();
    void sort_out_free();
    StoreResult<void> conclude();
    DiskResult<void> make_certain(Candidate& candidate, const ReadSegment& read);

    Disk& disk_;
    const LogOptions& options_;
    const std::optional<SpoolVersion>& version_;
    Survey result_;
    std::map<std::uint64_t, Candidate> candidates_;
    std::vector<std::uint64_t> orphan_indexes_;
    std::set<std::string> quarantined_;           // names in quarantine/
    std::vector<std::uint64_t> strange_numbers_;  // of files that are no segments of this spool
};

StoreResult<Survey> Surveyor::run() {
    if (auto listed = list_segments(); !listed) return std::unexpected(listed.error());
    choose_spool();
    for (auto& [number, candidate] : candidates_)
        if (auto noted = note_origin(candidate); !noted) return std::unexpected(noted.error());
    for (auto& [number, candidate] : candidates_) {
        if (!candidate.origin) continue;
        const auto previous = candidates_.find(candidate.origin->previous);
        if (previous == candidates_.end()) continue;
        const auto& origin = previous->second.origin;
        if (origin ? !is_before(*origin, *candidate.origin) : previous->first >= number) continue;
        previous->second.end = candidate.origin->previous_end;
        previous->second.is_named = true;
    }
    if (auto read = read_tails(); !read) return std::unexpected(read.error());
    if (auto sorted = sort_out_unused(); !sorted)
        return std::unexpected(to_store_error(sorted.error()));
    sort_out_free();
    if (auto concluded = conclude(); !concluded) return std::unexpected(concluded.error());
    return std::move(result_);
}

StoreResult<void> Surveyor::list_segments() {
    // A name is never used twice there.
    const auto kept = disk_.list("quarantine");
    if (kept) quarantined_.insert(kept->begin(), kept->end());
    if (!kept && stops_the_start(kept.error()))
        return std::unexpected(to_store_error(kept.error()));
    for (const auto& name : quarantined_)
        if (const auto number = parse_segment_file_name(name)) strange_numbers_.push_back(*number);
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
        if (auto looked = look_at(*number); !looked) return looked;
    }
    return {};
}

StoreResult<void> Surveyor::look_at(std::uint64_t number) {
    if (number == 0 || number > segment_number_max) {
        set_aside(number, "a file with a number that no segment has");
        return {};
    }
    auto file = disk_.open(segment_path(number));
    if (!file) return take_unreadable(number, file.error());
    const auto bytes = (*file)->read(0, segment_header_bytes);
    if (!bytes && stops_the_start(bytes.error())) return take_unreadable(number, bytes.error());
    const auto found = bytes ? find_header(*bytes, number) : std::nullopt;
    const auto* header = found ? &found->header : nullptr;
    if (header == nullptr) {
        set_aside(number, "unreadable segment header");
    } else if (header->version > format_version) {
        return std::unexpected(newer_version_error(disk_, header->version));
    } else if (header->number != number) {
        set_aside(number, "a segment by a wrong name");
    } else {
        const auto size = (*file)->size();
        if (!size) return take_unreadable(number, size.error());
        auto& candidate = candidates_[number];
        candidate.header = *header;
        candidate.file_bytes = *size;
        candidate.is_mended = found->is_mended;
    }
    return {};
}

// Its digest describes it, if it has one; what cannot be read of a message then shows when
// the message is read.
StoreResult<void> Surveyor::take_unreadable(std::uint64_t number, const DiskError& error) {
    if (stops_the_start(error)) return std::unexpected(to_store_error(error));
    if (error.is_not_found()) return {};
    result_.report.damages.push_back(
        {.segment = number,
         .what = "a segment that cannot be opened, and whose mail cannot be read now: " +
                 error.text + "; it stays as it is, and the next start tries again",
         .quarantine_path = ""});
    auto& candidate = candidates_[number];
    candidate.header.number = number;
    const auto index = disk_.open(index_path(number));
    const auto bytes = index ? (*index)->read(0, Digest::head_bytes)
                             : DiskResult<std::string>(std::unexpected(index.error()));
    const auto head = bytes ? Digest::parse_head(*bytes) : std::nullopt;
    candidate.is_unreadable = !head || head->number != number;
    if (candidate.is_unreadable) return {};
    candidate.header.spool = head->spool;
    candidate.header.generation = head->generation;
    candidate.file_bytes = head->end;
    return {};
}

// A segment gets its name only with a synced header, so this is damage. Its records cannot be
// distinguished from noise, so the whole file is kept.
void Surveyor::set_aside(std::uint64_t number, std::string why) {
    strange_numbers_.push_back(number);
    auto name = segment_file_name(number);
    for (int copy = 2; !quarantined_.insert(name).second; ++copy)
        name = segment_file_name(number) + "." + std::to_string(copy);
    RecoveryReport::Damage damage{.segment = number, .what = std::move(why)};
    if (auto file = disk_.open(segment_path(number))) {
        damage.bytes = (*file)->size().value_or(0);
        const auto length = std::min<std::uint64_t>(damage.bytes, bytes_counted_max);
        if (const auto bytes = (*file)->read(0, static_cast<std::size_t>(length)))
            damage.what += unfinished_words(count_unfinished(*bytes));
    }
    auto moved = disk_.rename(segment_path(number), "quarantine/" + name);
    if (moved) moved = disk_.sync_directory("quarantine");
    if (moved) moved = disk_.sync_directory("seg");
    if (moved) damage.quarantine_path = "quarantine/" + name;
    result_.report.damages.push_back(std::move(damage));
}

void Surveyor::choose_spool() {
    std::vector<SegmentHeader> headers;
    for (const auto& [number, candidate] : candidates_)
        if (!candidate.is_unreadable) headers.push_back(candidate.header);
    result_.spool = own_spool(version_, headers);
    std::vector<std::pair<std::uint64_t, Uuid>> strangers;
    for (auto& [number, candidate] : candidates_) {
        if (candidate.is_unreadable && result_.spool) candidate.header.spool = *result_.spool;
        if (result_.spool && candidate.header.spool != *result_.spool)
            strangers.emplace_back(number, candidate.header.spool);
    }
    for (const auto& [number, spool] : strangers) {
        candidates_.erase(number);
        set_aside(number, stranger_words(spool));
    }
    for (const auto& [number, candidate] : candidates_)
        if (candidate.is_mended)
            result_.report.damages.push_back(
                {.segment = number, .what = mended_header_words, .quarantine_path = ""});
    result_.own_segments = candidates_.size();
    if (!candidates_.empty()) result_.number_max = candidates_.rbegin()->first;
}

// From the digest, else from the first record.
StoreResult<void> Surveyor::note_origin(Candidate& candidate) {
    if (candidate.is_unreadable) return {};
    if (const auto head = read_digest_head(disk_, candidate.header)) {
        candidate.origin = head->origin;
        candidate.end = head->end;
        candidate.is_named = true;  // only closed segments have a digest
        candidate.head = *head;
        return {};
    }
    auto file = disk_.open(segment_path(candidate.header.number));
    const auto bytes = file ? (*file)->read(segment_header_bytes, record_header_bytes + batch_bytes)
                            : DiskResult<std::string>(std::unexpected(file.error()));
    if (!bytes && stops_the_start(bytes.error()))
        return std::unexpected(to_store_error(bytes.error()));
    const auto record = bytes ? parse_record(*bytes, candidate.header.generation) : std::nullopt;
    if (!record || record->type != RecordType::batch) return {};
    if (const auto batch = parse_batch(record->payload)) candidate.origin = batch->origin;
    return {};
}

std::uint64_t Surveyor::later_lsn(const Candidate& candidate) const {
    if (!candidate.origin) return 0;
    std::uint64_t lsn = 0;
    for (const auto& [number, other] : candidates_) {
        if (!other.origin || !is_before(*candidate.origin, *other.origin)) continue;
        lsn = lsn == 0 ? other.origin->first_lsn : std::min(lsn, other.origin->first_lsn);
    }
    return lsn;
}

StoreResult<void> Surveyor::read_whole(Candidate& candidate) {
    RecoveryReport found;
    auto lsn = later_lsn(candidate);
    auto read = read_segment(disk_, candidate.header, 0, found, lsn);
    if (read && !candidate.origin && read->digest.head().ceiling_lsn > 0) {
        // Its first record is damaged; another one says to which stream it belongs.
        candidate.origin = read->digest.head().origin;
        lsn = later_lsn(candidate);
        if (lsn > 0) {
            found = {};
            read = read_segment(disk_, candidate.header, 0, found, lsn);
        }
    }
    if (!read) return std::unexpected(std::move(read).error());
    result_.report.records += found.records;
    std::ranges::move(found.damages, std::back_inserter(result_.report.damages));
    std::ranges::move(found.notes, std::back_inserter(result_.report.notes));
    const auto& head = read->digest.head();
    candidate.end = head.end;
    candidate.head = head;
    if (read->is_torn) {
        result_.report.has_torn_tail = true;
        result_.report.torn_tail_segment = head.number;
        result_.report.torn_tail_offset = head.end;
    }
    if (lsn == 0) {
        if (auto done = make_certain(candidate, *read); !done) {
            return std::unexpected(to_store_error(done.error()));
        }
    } else if (!read->has_damage && head.pinned_bytes == 0) {
        put_digest(disk_, read->digest);  // the one that named it is lost
    }
    candidate.digest = std::move(read->digest);
    candidate.damaged = std::move(read->damaged);
    return {};
}

// No segment names the last one of a stream, nor one that has no record yet.
StoreResult<void> Surveyor::read_tails() {
    for (auto& [number, candidate] : candidates_) {
        if (candidate.is_named || candidate.is_unreadable) continue;
        if (auto read = read_whole(candidate); !read) return read;
    }
    return {};
}

// After a kill the last writes may be in the page cache only. After a failed sync they may never
// leave it, since the kernel takes the pages for clean: then another sync succeeds and does
// nothing. So what no BATCH calls certain is written once more, the same bytes at the same place,
// and synced.
DiskResult<void> Surveyor::make_certain(Candidate& candidate, const ReadSegment& read) {
    if (candidate.head.records == 0) return {};
    auto file = disk_.open(segment_path(candidate.header.number));
    if (!file) return std::unexpected(std::move(file).error());
    constexpr std::uint64_t step_bytes = 1u << 20;
    for (auto at = read.certain_end; at < candidate.end;) {
        const auto length = std::min(step_bytes, candidate.end - at);
        // What cannot be read was reported as damage.
        if (const auto bytes = (*file)->read(at, static_cast<std::size_t>(length)))
            if (auto written = (*file)->write(at, *bytes); !written) return written;
        at += length;
    }
    if (read.file_bytes != candidate.end) {
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

StoreResult<void> Surveyor::conclude() {
    std::uint64_t lsn_highest = 0;
    std::uint64_t id_highest = 0;
    std::uint64_t ceiling_lsn = 0;
    std::uint64_t ceiling = 1;
    for (auto& [number, candidate] : candidates_) {
        const std::uint64_t end_min = candidate.is_unreadable ? segment_header_bytes : 0;
        const auto origin = candidate.origin.value_or(SegmentOrigin{});
        const auto& head = candidate.head;
        lsn_highest = std::max({lsn_highest, head.lsn_max, origin.first_lsn});
        id_highest = std::max(id_highest, head.id_max);
        if (head.ceiling_lsn > ceiling_lsn) {
            ceiling_lsn = head.ceiling_lsn;
            ceiling = head.id_ceiling;
        }
        auto& tail = result_.tails[static_cast<std::size_t>(origin.stream)];
        if (candidate.origin && origin.first_lsn >= tail.first_lsn)
            tail = {number, candidate.end, origin.first_lsn};
        result_.segments.push_back({.header = candidate.header,
                                    .origin = origin,
                                    .end = std::max(candidate.end, end_min),
                                    .file_bytes = candidate.file_bytes,
                                    .digest = std::move(candidate.digest),
                                    .damaged = std::move(candidate.damaged),
                                    .is_unreadable = candidate.is_unreadable});
    }
    std::ranges::sort(strange_numbers_);
    for (const auto number : strange_numbers_) {
        const bool is_near = number <= result_.number_max + number_leap_max;
        if (is_near) result_.number_max = std::max(result_.number_max, number);
    }
    result_.next_lsn = lsn_highest + 1;
    result_.next_id = std::max(ceiling, id_highest + 1);
    result_.report.segments = result_.segments.size();
    if (result_.number_max > segment_number_max / 2 || result_.next_lsn > lsn_max / 2 ||
        result_.next_id > message_id_max / 2) {
        return std::unexpected(StoreError{
            StoreError::Kind::broken,
            "the spool " + disk_.root() + " says that nearly all numbers are used up (segment " +
                std::to_string(result_.number_max) + ", message " +
                std::to_string(result_.next_id) +
                "), which no relay comes to: export what is queued (posthouse spool export), move "
                "the folder away, and import it into a new one"});
    }
    return {};
}

}  // namespace

StoreResult<Survey> survey_spool(Disk& disk, const LogOptions& options,
                                 const std::optional<SpoolVersion>& version) {
    return Surveyor(disk, options, version).run();
}

}  // namespace queue::segment_log
