#include "queue/log/recovery.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "queue/log/payload.h"
#include "queue/log/segment_scan.h"
#include "queue/log/spool_folder.h"

namespace queue::log {
namespace {

// What the records say of one message, in whatever order they come.
struct Trace {
    std::uint64_t enqueue_lsn = 0;  // 0: no ENQ
    Location enqueue;
    std::vector<ChunkRef> chunks;
    std::size_t recipients = 0;
    mta::Instant arrival;
    std::uint64_t state_lsn = 0;  // 0: no STATE
    Location state;
    std::size_t states = 0;
    mta::Instant due;
    bool is_done = false;
};

struct BodySeen {
    MessageId id = 0;
    ChunkRef chunk;
    std::uint32_t bytes = 0;  // of the record
};

class Recovery {
public:
    Recovery(Disk& disk, const LogOptions& options) : disk_(disk), options_(options) {}

    StoreResult<Recovered> run();

private:
    struct Candidate {
        SegmentHeader header;
        bool is_last = false;
        std::uint64_t previous_end = 0;  // as the next segment tells; 0: it does not
    };

    StoreResult<void> list_segments();
    StoreResult<void> look_at(std::uint64_t number);
    void set_aside(std::uint64_t number, std::string why);
    void choose_spool();
    StoreResult<void> read_segment(const Candidate& candidate);
    DiskResult<std::string> read_bytes(DiskFile& file, std::uint64_t number);
    DiskResult<void> make_certain(DiskFile& file, std::uint64_t size, std::uint64_t end);
    void note(Recovered::Segment& segment, std::uint64_t offset, const Record& record);
    void note_enqueue(const Location& where, const Record& record);
    void keep_damage(Recovered::Segment& segment, std::string_view bytes,
                     const SegmentScan::Hole& hole, std::string what);
    bool note_known(Recovered::Segment& segment, const Location& where, const Record& record);
    void note_ceiling(std::uint64_t lsn, std::uint64_t ceiling);
    void collect_messages();
    [[nodiscard]] bool has_whole_body(MessageId id, const Trace& trace) const;
    [[nodiscard]] std::vector<SegmentBytes> bodies_of(const Trace& trace) const;
    void quarantine_message(MessageId id, const Trace& trace);
    void sort_out_free();
    Recovered::Segment* segment(std::uint64_t number);

    Disk& disk_;
    const LogOptions& options_;
    Recovered result_;
    std::map<std::uint64_t, Candidate> candidates_;
    std::unordered_map<MessageId, Trace> traces_;
    std::map<std::pair<std::uint64_t, std::uint32_t>, BodySeen> bodies_;  // by segment and offset
    std::uint64_t lsn_max_ = 0;
    MessageId id_max_ = 0;
    std::uint64_t ceiling_lsn_ = 0;
    std::uint64_t ceiling_ = 1;
};

StoreResult<Recovered> Recovery::run() {
    if (auto listed = list_segments(); !listed) return std::unexpected(listed.error());
    choose_spool();
    for (const auto& [number, candidate] : candidates_) {
        if (auto done = read_segment(candidate); !done) return std::unexpected(done.error());
    }
    collect_messages();
    sort_out_free();
    result_.next_lsn = lsn_max_ + 1;
    result_.next_id = std::max(ceiling_, id_max_ + 1);
    result_.report.segments = result_.segments.size();
    result_.report.messages = result_.messages.size();
    return std::move(result_);
}

StoreResult<void> Recovery::list_segments() {
    auto names = disk_.list("seg");
    if (!names) return std::unexpected(to_store_error(names.error()));
    for (const auto& name : *names) {
        const auto number = parse_segment_file_name(name);
        if (!number) {
            result_.report.notes.push_back("seg/" + name + " is none of ours and is left alone");
            continue;
        }
        result_.number_max = std::max(result_.number_max, *number);
        if (auto looked = look_at(*number); !looked) return looked;
    }
    if (!candidates_.empty()) {
        auto& last = *candidates_.rbegin();
        last.second.is_last = last.first == result_.number_max;
    }
    for (auto& [number, candidate] : candidates_) {
        const auto previous = candidates_.find(candidate.header.previous);
        if (previous != candidates_.end() && previous->first < number) {
            previous->second.previous_end = candidate.header.previous_end;
        }
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

StoreResult<void> Recovery::look_at(std::uint64_t number) {
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
        candidates_[number].header = *header;
    }
    return {};
}

// A segment gets its name only with a synced header, so this is damage, and its records cannot be
// told from noise: the whole file is kept.
void Recovery::set_aside(std::uint64_t number, std::string why) {
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

void Recovery::choose_spool() {
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

DiskResult<std::string> Recovery::read_bytes(DiskFile& file, std::uint64_t number) {
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
    result_.report.notes.push_back(all.error().text + "; " + std::to_string(lost) +
                                   " blocks of segment " + hex16(number) + " are unreadable");
    return bytes;
}

// After a kill the last writes may be in the page cache only.
DiskResult<void> Recovery::make_certain(DiskFile& file, std::uint64_t size, std::uint64_t end) {
    if (size != end) {
        if (auto cut = file.resize(end); !cut) return cut;
    }
    return file.sync();
}

StoreResult<void> Recovery::read_segment(const Candidate& candidate) {
    const auto& header = candidate.header;
    auto file = disk_.open(segment_path(header.number));
    if (!file) return std::unexpected(to_store_error(file.error()));
    const auto bytes = read_bytes(**file, header.number);
    if (!bytes) return std::unexpected(to_store_error(bytes.error()));

    Recovered::Segment segment{.number = header.number, .generation = header.generation};
    std::uint64_t end_known = 0;
    if (!candidate.is_last) {
        end_known = candidate.previous_end != 0 ? candidate.previous_end : bytes->size();
    }
    note_ceiling(header.first_lsn, header.id_ceiling);
    const auto scan = scan_segment(
        *bytes, header, end_known,
        [&](std::uint64_t offset, const Record& record) { note(segment, offset, record); });
    segment.end = scan.end;
    lsn_max_ = std::max({lsn_max_, scan.lsn_max, header.first_lsn - 1});
    result_.report.records += scan.records;
    for (const auto& hole : scan.damages) {
        keep_damage(segment, *bytes, hole, "unreadable records");
    }
    if (scan.is_torn) {
        result_.report.has_torn_tail = true;
        result_.report.torn_tail_segment = header.number;
        result_.report.torn_tail_offset = scan.end;
    }
    if (candidate.is_last) {
        const auto done = make_certain(**file, bytes->size(), scan.end);
        if (!done) return std::unexpected(to_store_error(done.error()));
    }
    result_.segments.push_back(std::move(segment));
    return {};
}

void Recovery::keep_damage(Recovered::Segment& segment, std::string_view bytes,
                           const SegmentScan::Hole& hole, std::string what) {
    RecoveryReport::Damage damage{.segment = segment.number,
                                  .offset = hole.offset,
                                  .bytes = hole.bytes,
                                  .what = std::move(what)};
    if (hole.offset < bytes.size()) {
        auto path = quarantine(disk_, quarantine_name(segment.number, hole.offset),
                               bytes.substr(hole.offset, hole.bytes));
        if (path) damage.quarantine_path = std::move(*path);
        if (!path) segment.pinned_bytes += hole.bytes;
    } else {
        damage.what = "the file ends before its records do";
    }
    result_.report.damages.push_back(std::move(damage));
}

void Recovery::note(Recovered::Segment& segment, std::uint64_t offset, const Record& record) {
    const Location where{.segment = segment.number,
                         .offset = static_cast<std::uint32_t>(offset),
                         .bytes = static_cast<std::uint32_t>(record.bytes())};
    if (note_known(segment, where, record)) return;
    // Its checksum is right, so it was written like this: by a version that knows more.
    segment.pinned_bytes += where.bytes;
    result_.report.damages.push_back({.segment = segment.number,
                                      .offset = offset,
                                      .bytes = where.bytes,
                                      .what = "a record of an unknown kind; its segment is kept",
                                      .quarantine_path = ""});
}

// False: it is no record that we know.
bool Recovery::note_known(Recovered::Segment& segment, const Location& where,
                          const Record& record) {
    if (record.version > record_version) return false;
    switch (record.type) {
        case RecordType::enqueue: {
            if (!parse_enqueue(record.payload)) return false;
            note_enqueue(where, record);
            return true;
        }
        case RecordType::body: {
            const auto body = parse_body(record.payload);
            if (!body) return false;
            const auto length = static_cast<std::uint32_t>(body->chunk.size());
            bodies_[{where.segment, where.offset}] = {
                body->id, {where.segment, where.offset, length, 0}, where.bytes};
            id_max_ = std::max(id_max_, body->id);
            return true;
        }
        case RecordType::state: {
            const auto state = parse_state(record.payload);
            if (!state) return false;
            auto& trace = traces_[state->id];
            id_max_ = std::max(id_max_, state->id);
            if (record.lsn < trace.state_lsn) return true;
            trace.state_lsn = record.lsn;
            trace.state = where;
            trace.states = state->states.size();
            trace.due = earliest_due(state->states);
            return true;
        }
        case RecordType::done: {
            const auto done = parse_done(record.payload);
            if (!done) return false;
            traces_[done->id].is_done = true;
            id_max_ = std::max(id_max_, done->id);
            segment.dones.push_back({.id = done->id, .home = done->home});
            return true;
        }
        case RecordType::batch: {
            const auto batch = parse_batch(record.payload);
            if (!batch) return false;
            note_ceiling(record.lsn, batch->id_ceiling);
            return true;
        }
    }
    return false;
}

void Recovery::note_enqueue(const Location& where, const Record& record) {
    auto enqueue = parse_enqueue(record.payload);
    auto& trace = traces_[enqueue->message.id];
    id_max_ = std::max(id_max_, enqueue->message.id);
    if (record.lsn < trace.enqueue_lsn) return;
    trace.enqueue_lsn = record.lsn;
    trace.enqueue = where;
    trace.chunks = std::move(enqueue->chunks);
    trace.recipients = enqueue->message.envelope.recipients.size();
    trace.arrival = enqueue->message.arrival;
}

// The newest word counts, not the highest: a tidy end gives back what it had reserved.
void Recovery::note_ceiling(std::uint64_t lsn, std::uint64_t ceiling) {
    if (lsn < ceiling_lsn_) return;
    ceiling_lsn_ = lsn;
    ceiling_ = ceiling;
}

bool Recovery::has_whole_body(MessageId id, const Trace& trace) const {
    return std::ranges::all_of(trace.chunks, [&](const ChunkRef& chunk) {
        const auto seen = bodies_.find({chunk.segment, chunk.offset});
        return seen != bodies_.end() && seen->second.id == id &&
               seen->second.chunk.length == chunk.length;
    });
}

std::vector<SegmentBytes> Recovery::bodies_of(const Trace& trace) const {
    std::vector<SegmentBytes> bodies;
    for (const auto& chunk : trace.chunks) {
        if (bodies.empty() || bodies.back().segment != chunk.segment) {
            bodies.push_back({.segment = chunk.segment, .bytes = 0});
        }
        bodies.back().bytes += bodies_.at({chunk.segment, chunk.offset}).bytes;
    }
    return bodies;
}

void Recovery::collect_messages() {
    std::vector<std::pair<mta::Instant, MessageId>> order;
    std::unordered_set<MessageId> unfinished;
    for (const auto& [place, body] : bodies_) {
        const auto trace = traces_.find(body.id);
        if (trace == traces_.end()) unfinished.insert(body.id);
    }
    result_.report.unfinished_bodies = unfinished.size();
    for (const auto& [id, trace] : traces_) {
        if (trace.is_done || trace.enqueue_lsn == 0) continue;
        if (!has_whole_body(id, trace)) {
            quarantine_message(id, trace);
            continue;
        }
        order.emplace_back(trace.state_lsn != 0 ? trace.due : trace.arrival, id);
    }
    std::ranges::sort(order);
    for (const auto& [due, id] : order) {
        const auto& trace = traces_[id];
        LiveMessage message{.enqueue = trace.enqueue, .state = {}, .bodies = bodies_of(trace)};
        if (trace.state_lsn != 0 && trace.states == trace.recipients) message.state = trace.state;
        result_.messages.emplace_back(id, std::move(message));
    }
}

Recovered::Segment* Recovery::segment(std::uint64_t number) {
    const auto found = std::ranges::find(result_.segments, number, &Recovered::Segment::number);
    return found == result_.segments.end() ? nullptr : &*found;
}

// Half a message is not delivered; what there is of it is kept: its ENQ record, then its BODY
// records.
void Recovery::quarantine_message(MessageId id, const Trace& trace) {
    RecoveryReport::Damage damage{.segment = trace.enqueue.segment,
                                  .offset = trace.enqueue.offset,
                                  .bytes = trace.enqueue.bytes,
                                  .what = "message " + format_id(id) + " lacks parts of its body"};
    std::vector<Location> places = {trace.enqueue};
    for (const auto& chunk : trace.chunks) {
        const auto seen = bodies_.find({chunk.segment, chunk.offset});
        if (seen == bodies_.end()) continue;
        places.push_back({chunk.segment, chunk.offset, seen->second.bytes});
    }
    std::string bytes;
    for (const auto& place : places) {
        auto file = disk_.open(segment_path(place.segment));
        if (!file) continue;
        if (auto part = (*file)->read(place.offset, place.bytes)) bytes += *part;
    }
    if (auto path = quarantine(disk_, format_id(id) + ".message", bytes)) {
        damage.quarantine_path = std::move(*path);
    } else {
        for (const auto& place : places) {
            if (auto* holder = segment(place.segment)) holder->pinned_bytes += place.bytes;
        }
    }
    result_.report.damages.push_back(std::move(damage));
}

void Recovery::sort_out_free() {
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

}  // namespace

StoreResult<Recovered> recover(Disk& disk, const LogOptions& options) {
    return Recovery(disk, options).run();
}

}  // namespace queue::log
