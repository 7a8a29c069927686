#include "queue/segment_log/reading/spool_view.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "queue/bytes.h"
#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/format/crc32c.h"
#include "queue/segment_log/format/segment_scan.h"

namespace queue::segment_log {
namespace {

// How often a running relay may pull a segment away from under us before we are content with what
// we have: each time only what is new has to be read.
constexpr int looks_max = 100;
// A read beside a write may see a part of it; when the write is over, the next one sees it all.
constexpr int rereads_max = 3;

std::unexpected<StoreError> failure(StoreError::Kind kind, std::string text) {
    return std::unexpected(StoreError{kind, std::move(text)});
}
std::unexpected<StoreError> not_found(MessageId id) {
    return failure(StoreError::Kind::not_found, "no message " + format_id(id) + " in the spool");
}
bool is_gone(const StoreError& error) { return error.kind == StoreError::Kind::not_found; }

// All of the file, with zeros for what the disk does not give back.
DiskResult<std::string> read_whole(DiskFile& file, bool& has_bad_blocks) {
    const auto size = file.size();
    if (!size) return std::unexpected(size.error());
    auto all = file.read(0, static_cast<std::size_t>(*size));
    if (all) return all;
    constexpr std::size_t step_bytes = 4096;
    std::string bytes;
    while (bytes.size() < *size) {
        const auto length =
            std::min<std::size_t>(step_bytes, static_cast<std::size_t>(*size) - bytes.size());
        auto part = file.read(bytes.size(), length);
        if (!part) has_bad_blocks = true;
        part ? bytes.append(*part) : bytes.append(length, '\0');
        if (part && part->size() < length) break;
    }
    return bytes;
}

// What the segment's first record says of it; nothing: it has none yet, or that is damaged.
std::optional<SegmentOrigin> origin_of(DiskFile& file, Generation generation) {
    const auto bytes = file.read(segment_header_bytes, record_header_bytes + batch_bytes);
    const auto record = bytes ? parse_record(*bytes, generation) : std::nullopt;
    if (!record || record->type != RecordType::batch) return std::nullopt;
    const auto batch = parse_batch(record->payload);
    if (!batch) return std::nullopt;
    return batch->origin;
}

}  // namespace

// What seg/ holds at one moment.
struct SpoolView::Listing {
    std::map<std::uint64_t, SegmentHeader> headers;
    std::map<std::uint64_t, std::uint64_t> ends;     // as the successor tells
    std::map<std::uint64_t, SegmentOrigin> origins;  // of those with a record
    std::map<std::uint64_t, std::uint64_t> sizes;
    std::vector<SpoolProblem> problems;
    std::vector<std::string> notes;
    bool has_missed = false;  // a name that was gone when it was opened

    void note_origin(std::uint64_t number, const std::optional<SegmentOrigin>& origin) {
        if (origin) origins[number] = *origin;
    }
    void settle_ends() {
        for (const auto& [number, origin] : origins) {
            const auto previous = origins.find(origin.previous);
            const bool is_named = previous != origins.end() ? is_before(previous->second, origin)
                                                            : origin.previous < number;
            if (origin.previous != 0 && is_named) ends[origin.previous] = origin.previous_end;
        }
    }
    // The first lsn of the next segment of its stream; 0: there is none, or nobody knows.
    [[nodiscard]] std::uint64_t later_lsn(std::uint64_t number) const {
        const auto own = origins.find(number);
        if (own == origins.end()) return 0;
        std::uint64_t lsn = 0;
        for (const auto& [other, origin] : origins)
            if (is_before(own->second, origin) && (lsn == 0 || origin.first_lsn < lsn))
                lsn = origin.first_lsn;
        return lsn;
    }
};

// One segment's content.
struct SpoolView::Scanned {
    struct Known {
        MessageId id = 0;
        Place place;
        RecordType type = RecordType::enqueue;
        bool has_all = false;  // recipients: of a STATE
    };
    Segment segment;
    std::vector<Known> records;
    std::vector<SpoolEvent> history;
};

SpoolView::~SpoolView() = default;

StoreResult<std::unique_ptr<SpoolView>> SpoolView::open(Disk& disk, Options options) {
    if (const auto names = disk.list("seg"); !names) {
        if (!names.error().is_not_found()) return std::unexpected(to_store_error(names.error()));
        return failure(StoreError::Kind::not_found, "there is no spool in " + disk.root());
    }
    const auto version = read_version(disk);
    if (!version) return std::unexpected(version.error());
    std::unique_ptr<SpoolView> view(new SpoolView(disk, std::move(options)));
    view->version_ = *version;
    if (auto looked = view->look(); !looked) return std::unexpected(std::move(looked).error());
    // It was the caller's for this call only; a later read may have to look again.
    view->options_.on_progress = nullptr;
    return view;
}

// Until nothing that was read has vanished since: what is in a segment that vanished is finished
// with, or has moved to one that is read in the next round.
StoreResult<void> SpoolView::look() {
    bool has_changed = true;
    bool was_missed = false;  // a segment went before it was read
    for (int round = 0; has_changed && round < looks_max; ++round) {
        const auto listing = list();
        if (!listing) return std::unexpected(listing.error());
        const bool has_vanished = forget_vanished(*listing) || was_missed;
        has_changed = was_missed = listing->has_missed;
        for (const auto& [number, header] : listing->headers) {
            const auto known = segments_.find(number);
            const bool is_read = known != segments_.end();
            if (is_read && !(has_vanished && known->second.is_open)) continue;
            const auto scanned = scan(number, *listing);
            if (!scanned) return std::unexpected(scanned.error());
            if (!*scanned) has_changed = was_missed = true;
            if (!report_progress(*listing)) {
                return failure(StoreError::Kind::broken, "interrupted");
            }
        }
        gather_findings(*listing);
        const auto after = disk_.list("seg");
        if (!after) return std::unexpected(to_store_error(after.error()));
        for (const auto& [number, segment] : segments_) {
            if (!std::ranges::binary_search(*after, segment_file_name(number))) has_changed = true;
        }
    }
    return {};
}

StoreResult<SpoolView::Listing> SpoolView::list() {
    Listing listing;
    const auto names = disk_.list("seg");
    if (!names) return std::unexpected(to_store_error(names.error()));
    for (const auto& name : *names) {
        const auto number = parse_segment_file_name(name);
        if (!number) {
            if (!name.ends_with(".idx"))
                listing.notes.push_back("seg/" + name + " is none of ours");
            continue;
        }
        auto file = disk_.open(segment_path(*number));
        if (!file && file.error().is_not_found()) {  // recycled just now
            listing.has_missed = true;
            continue;
        }
        if (!file) {
            listing.problems.push_back({segment_path(*number), 0, 0, file.error().text});
            continue;
        }
        const auto bytes = (*file)->read(0, segment_header_bytes);
        const auto found = bytes ? find_header(*bytes, *number) : std::nullopt;
        const auto size = (*file)->size().value_or(0);
        if (found && found->header.version > format_version) {
            return std::unexpected(newer_version_error(disk_, found->header.version));
        }
        if (!found || found->header.number != *number) {
            listing.problems.push_back(
                {segment_path(*number), 0, size,
                 found ? "the segment " + hex16(found->header.number) + " by a wrong name"
                       : "the segment's header is unreadable, so nothing in it can be read"});
            continue;
        }
        if (found->is_mended)
            listing.problems.push_back(
                {segment_path(*number), 0, segment_header_bytes, mended_header_words});
        listing.headers[*number] = found->header;
        listing.sizes[*number] = size;
        listing.note_origin(*number, origin_of(**file, found->header.generation));
    }
    set_strangers_aside(listing);
    listing.settle_ends();
    return listing;
}

// As a start would.
void SpoolView::set_strangers_aside(Listing& listing) const {
    const auto values = std::views::values(listing.headers);
    const std::vector<SegmentHeader> headers(values.begin(), values.end());
    const auto own = own_spool(version_, headers);
    for (const auto& header : headers) {
        if (header.spool == own) continue;
        listing.problems.push_back({segment_path(header.number), 0, listing.sizes[header.number],
                                    stranger_words(header.spool) + "; this one's uuid is " +
                                        format_uuid(own.value_or(Uuid{})) +
                                        ": nothing in it is shown",
                                    true});
        listing.headers.erase(header.number);
        listing.sizes.erase(header.number);
        listing.origins.erase(header.number);
    }
}

// True: something that was read is not there any more.
bool SpoolView::forget_vanished(const Listing& listing) {
    std::set<std::uint64_t> vanished;
    for (const auto& [number, segment] : segments_) {
        const auto now = listing.headers.find(number);
        if (now == listing.headers.end() || now->second.generation != segment.header.generation) {
            vanished.insert(number);
        }
    }
    if (vanished.empty()) return false;
    for (const auto number : vanished) segments_.erase(number);
    for (auto& [id, entry] : entries_) {
        if (vanished.contains(entry.enqueue.segment)) entry.enqueue = {};
        if (vanished.contains(entry.state.segment)) entry.state = {};
        std::erase_if(entry.deltas,
                      [&](const Place& delta) { return vanished.contains(delta.segment); });
    }
    return true;
}

// False: it has vanished while it was read.
StoreResult<bool> SpoolView::scan(std::uint64_t number, const Listing& listing) {
    const auto& header = listing.headers.at(number);
    std::optional<Scanned> scanned;
    for (int attempt = 0; attempt <= rereads_max; ++attempt) {
        auto file = disk_.open(segment_path(number));
        if (!file && file.error().is_not_found()) return false;
        if (!file) return std::unexpected(to_store_error(file.error()));
        bool has_bad_blocks = false;
        const auto bytes = read_whole(**file, has_bad_blocks);
        if (!bytes) return std::unexpected(to_store_error(bytes.error()));
        // A segment gets the header of its next life before anything else of it.
        const auto again = (*file)->read(0, segment_header_bytes);
        const auto now = again ? find_header(*again, number) : std::nullopt;
        if (!now || now->header.generation != header.generation) return false;
        scanned = scan_bytes(*bytes, header, listing);
        if (has_bad_blocks)
            scanned->segment.notes.push_back(segment_path(number) + " has unreadable blocks");
        if (scanned->segment.problems.empty()) break;
    }
    take(*scanned);
    return true;
}

SpoolView::Scanned SpoolView::scan_bytes(const std::string& bytes, const SegmentHeader& header,
                                         const Listing& listing) const {
    Scanned scanned{.segment = {.header = header}, .records = {}, .history = {}};
    auto& segment = scanned.segment;
    const auto known_end = listing.ends.find(header.number);
    const auto on_record = [&](std::uint64_t offset, const Record& record) {
        take_record(scanned, offset, record);
    };
    const auto path = segment_path(header.number);
    // What has a successor was cut at its end before; the others may still be written to.
    const auto end_known = known_end == listing.ends.end() ? 0 : known_end->second;
    const auto later_lsn = end_known == 0 ? listing.later_lsn(header.number) : 0;
    const auto scan = scan_segment(bytes, header, end_known, on_record, later_lsn);
    segment.end = scan.end;
    segment.records = scan.records;
    segment.is_open = end_known == 0;
    for (const auto& hole : scan.damages) {
        segment.problems.push_back({path, hole.offset, hole.bytes,
                                    hole.offset < bytes.size()
                                        ? "records that do not match their checksum"
                                        : "the file ends before its records do"});
    }
    if (scan.is_torn) {
        segment.notes.push_back(path + ": the last write, from byte " + std::to_string(scan.end) +
                                " on, is not whole: it is under way, or was when the relay was cut "
                                "off; no 250 was sent");
    }
    return scanned;
}

void SpoolView::take_record(Scanned& scanned, std::uint64_t offset, const Record& record) const {
    const auto number = scanned.segment.header.number;
    const Place place{number, offset, record.lsn};
    std::optional<MessageId> id;
    StateChanges states;
    bool is_sound = !record.is_too_new();
    if (is_sound && record.type == RecordType::enqueue) {
        const auto enqueue = parse_enqueue(record.payload);
        if (enqueue) id = enqueue->message.id;
        if (enqueue && enqueue->chunks.empty() &&
            crc32c(enqueue->message.body) != enqueue->body_crc) {
            scanned.segment.problems.push_back(
                {segment_path(number), offset, record.bytes(),
                 "the body of message " + format_id(*id) + " does not match its checksum"});
        }
        is_sound = enqueue.has_value();
    } else if (is_sound && record.type == RecordType::state) {
        auto state = parse_state(record.payload, record.version);
        if (state) {
            id = state->id;
            states = std::move(state->states);
        }
        is_sound = state.has_value();
    } else if (is_sound && record.type == RecordType::done) {
        const auto done = parse_done(record.payload);
        if (done) id = done->id;
        is_sound = done.has_value();
    } else if (is_sound) {
        is_sound = record.type == RecordType::body ? parse_body(record.payload).has_value()
                                                   : parse_batch(record.payload).has_value();
    }
    if (!is_sound) {
        scanned.segment.notes.push_back(segment_path(number) + " has a record at byte " +
                                        std::to_string(offset) +
                                        " of a kind that this version does not know");
    }
    if (!id) return;
    scanned.records.push_back({*id, place, record.type, states.are_whole()});
    if (*id != options_.history_of) return;
    scanned.history.push_back(
        {record.lsn, record.type, segment_path(number), offset, std::move(states)});
}

// May come again for the same segment, with more.
void SpoolView::take(const Scanned& scanned) {
    for (const auto& [id, place, type, has_all] : scanned.records) {
        auto& entry = entries_[id];
        if (type == RecordType::done) entry.is_done = true;
        if (type == RecordType::enqueue && place.lsn >= entry.enqueue.lsn) entry.enqueue = place;
        if (type != RecordType::state || place.lsn < entry.state.lsn) continue;
        auto& deltas = entry.deltas;
        if (has_all) {
            entry.state = place;
            deltas.erase(deltas.begin(),
                         std::ranges::upper_bound(deltas, place.lsn, {}, &Place::lsn));
            continue;
        }
        const auto at = std::ranges::lower_bound(deltas, place.lsn, {}, &Place::lsn);
        if (at == deltas.end() || at->lsn != place.lsn) deltas.insert(at, place);
    }
    for (const auto& event : scanned.history) {
        if (std::ranges::find(history_, event.lsn, &SpoolEvent::lsn) == history_.end()) {
            history_.push_back(event);
        }
    }
    std::ranges::sort(history_, {}, &SpoolEvent::lsn);
    segments_[scanned.segment.header.number] = scanned.segment;
}

bool SpoolView::report_progress(const Listing& listing) {
    if (!options_.on_progress) return true;
    std::uint64_t total = 0;
    std::uint64_t done = 0;
    for (const auto& [number, size] : listing.sizes) {
        total += size;
        if (segments_.contains(number)) done += size;
    }
    return options_.on_progress(done, total);
}

void SpoolView::gather_findings(const Listing& listing) {
    problems_ = listing.problems;
    notes_ = listing.notes;
    for (const auto& [number, segment] : segments_) {
        std::ranges::copy(segment.problems, std::back_inserter(problems_));
        std::ranges::copy(segment.notes, std::back_inserter(notes_));
    }
}

std::uint64_t SpoolView::records() const {
    std::uint64_t sum = 0;
    for (const auto& [number, segment] : segments_) sum += segment.records;
    return sum;
}

std::vector<MessageId> SpoolView::messages(bool with_done) const {
    std::vector<MessageId> ids;
    for (const auto& [id, entry] : entries_) {
        if (entry.enqueue.lsn != 0 && (with_done || !entry.is_done)) ids.push_back(id);
    }
    std::ranges::sort(ids);
    return ids;
}

// The payload. not_found: the segment is not there any more, or lives another life.
StoreResult<SpoolView::Loaded> SpoolView::read_record(std::uint64_t segment, std::uint64_t offset,
                                                      RecordType type) {
    const auto known = segments_.find(segment);
    if (known == segments_.end()) return failure(StoreError::Kind::not_found, "recycled");
    if (open_number_ != segment || !open_file_) {
        auto file = disk_.open(segment_path(segment));
        if (!file && file.error().is_not_found()) {
            return failure(StoreError::Kind::not_found, "recycled");
        }
        if (!file) return std::unexpected(to_store_error(file.error()));
        open_file_ = std::move(*file);
        open_number_ = segment;
    }
    const auto head = open_file_->read(offset, record_header_bytes);
    if (!head) return std::unexpected(to_store_error(head.error()));
    const auto length = head->size() == record_header_bytes ? get_at<std::uint32_t>(*head, 4) : 0U;
    if (length <= payload_bytes_max) {
        const auto bytes = open_file_->read(
            offset, static_cast<std::size_t>(aligned(record_header_bytes + length)));
        if (!bytes) return std::unexpected(to_store_error(bytes.error()));
        const auto record = parse_record(*bytes, known->second.header.generation);
        if (record && record->type == type)
            return Loaded{std::string(record->payload), record->version};
    }
    const auto header_bytes = open_file_->read(0, segment_header_bytes);
    const auto now = header_bytes ? find_header(*header_bytes, segment) : std::nullopt;
    if (!now || now->header.generation != known->second.header.generation) {
        open_file_.reset();
        return failure(StoreError::Kind::not_found, "recycled");
    }
    return failure(StoreError::Kind::corrupt, segment_path(segment) + " at byte " +
                                                  std::to_string(offset) +
                                                  ": a record that does not match its checksum");
}

StoreResult<SpoolMessage> SpoolView::read_once(const Entry& entry, MessageId id) {
    const auto loaded =
        read_record(entry.enqueue.segment, entry.enqueue.offset, RecordType::enqueue);
    if (!loaded) return std::unexpected(loaded.error());
    auto enqueue = parse_enqueue(loaded->payload);
    if (!enqueue || enqueue->message.id != id) return not_found(id);
    SpoolMessage found;
    found.is_done = entry.is_done;
    found.body_crc = enqueue->body_crc;
    found.chunks = std::move(enqueue->chunks);
    RecipientState first;
    first.next_due = first_due(enqueue->message.arrival, enqueue->message.envelope.requests);
    found.states.assign(enqueue->message.envelope.recipients.size(), first);
    found.message = std::make_shared<const Message>(std::move(enqueue->message));
    if (entry.state.lsn != 0) {
        if (auto applied = apply_state(entry.state, id, found.states); !applied)
            return std::unexpected(std::move(applied).error());
    }
    for (const auto& delta : entry.deltas) {
        if (auto applied = apply_state(delta, id, found.states); !applied)
            return std::unexpected(std::move(applied).error());
    }
    return found;
}

StoreResult<void> SpoolView::apply_state(const Place& place, MessageId id,
                                         std::vector<RecipientState>& states) {
    const auto loaded = read_record(place.segment, place.offset, RecordType::state);
    if (!loaded) return std::unexpected(loaded.error());
    const auto state = parse_state(loaded->payload, loaded->version);
    if (state && state->id == id) {
        [[maybe_unused]] const bool is_ours = state->states.apply_to(states);
    }
    return {};
}

StoreResult<SpoolMessage> SpoolView::read(MessageId id) {
    for (int attempt = 0;; ++attempt) {
        const auto entry = entries_.find(id);
        if (entry == entries_.end() || entry->second.enqueue.lsn == 0) return not_found(id);
        auto message = read_once(entry->second, id);
        if (message || !is_gone(message.error()) || attempt == rereads_max) return message;
        // The relay has recycled the segment since: the message is finished, or has moved.
        if (auto looked = look(); !looked) return std::unexpected(std::move(looked).error());
    }
}

StoreResult<std::string> SpoolView::read_chunk(MessageId id, const ChunkRef& chunk) {
    const auto loaded = read_record(chunk.segment, chunk.offset, RecordType::body);
    if (!loaded) return std::unexpected(loaded.error());
    const auto body = parse_body(loaded->payload);
    if (!body || body->id != id || body->chunk.size() != chunk.length ||
        crc32c(body->chunk) != chunk.crc) {
        return failure(StoreError::Kind::corrupt, segment_path(chunk.segment) + " at byte " +
                                                      std::to_string(chunk.offset) +
                                                      ": a piece of the body that does not match "
                                                      "its checksum");
    }
    return std::string(body->chunk);
}

StoreResult<void> SpoolView::read_body(const SpoolMessage& message, const OnBytes& on_bytes) {
    const auto pass = [&](std::string_view bytes) { return bytes.empty() || on_bytes(bytes); };
    if (!pass(message.message->added_header) || !pass(message.message->body)) {
        return failure(StoreError::Kind::broken, "interrupted");
    }
    if (message.chunks.empty()) return {};
    std::uint32_t crc = 0;
    std::uint64_t bytes = 0;
    for (const auto& chunk : message.chunks) {
        const auto piece = read_chunk(message.message->id, chunk);
        if (!piece && is_gone(piece.error())) {
            return failure(
                StoreError::Kind::not_found,
                "parts of the body are not there any more (" + segment_path(chunk.segment) + ")");
        }
        if (!piece) return std::unexpected(piece.error());
        crc = crc32c(*piece, crc);
        bytes += piece->size();
        if (!on_bytes(*piece)) return failure(StoreError::Kind::broken, "interrupted");
    }
    if (crc != message.body_crc || bytes != message.message->body_bytes()) {
        return failure(StoreError::Kind::corrupt,
                       "the body as a whole does not match its checksum");
    }
    return {};
}

}  // namespace queue::segment_log
