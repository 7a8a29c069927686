#include "queue/segment_log/reading/spool_view.h"

#include <algorithm>
#include <utility>

#include "queue/bytes.h"
#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/format/crc32c.h"

namespace queue::segment_log {
namespace {

// How often a running relay may take a segment away before the view is content with what it has
// read: each time only what is new has to be read.
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

// Reads all of the file, with zeros for what the disk does not give back.
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

}  // namespace

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
    // The caller gave it for this call only; a later read may have to look again.
    view->options_.on_progress = nullptr;
    return view;
}

// Reads until nothing that was read has vanished since. The messages of a vanished segment are
// finished, or have moved to one that the next round reads.
StoreResult<void> SpoolView::look() {
    bool has_changed = true;
    bool was_missed = false;  // a segment went before it was read
    for (int round = 0; has_changed && round < looks_max; ++round) {
        const auto listing = SpoolListing::read(disk_, version_);
        if (!listing) return std::unexpected(listing.error());
        const bool has_vanished = forget_vanished(*listing) || was_missed;
        has_changed = was_missed = listing->has_missed();
        for (const auto& [number, header] : listing->headers()) {
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

// Returns true if something that was read is not there any more.
bool SpoolView::forget_vanished(const SpoolListing& listing) {
    std::set<std::uint64_t> vanished;
    for (const auto& [number, segment] : segments_) {
        const auto now = listing.headers().find(number);
        if (now == listing.headers().end() || now->second.generation != segment.header.generation) {
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

// Returns false if the segment has vanished while it was read.
StoreResult<bool> SpoolView::scan(std::uint64_t number, const SpoolListing& listing) {
    const SpoolScanRequest request{.header = listing.headers().at(number),
                                   .end = listing.end_of(number),
                                   .later_lsn = listing.later_lsn(number),
                                   .history_of = options_.history_of};
    SpoolScan scan;
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
        if (!now || now->header.generation != request.header.generation) return false;
        scan = scan_for_view(*bytes, request);
        if (has_bad_blocks) scan.notes.push_back(segment_path(number) + " has unreadable blocks");
        if (scan.problems.empty()) break;
    }
    take(request, std::move(scan));
    return true;
}

// May be called again for the same segment, with more records.
void SpoolView::take(const SpoolScanRequest& request, SpoolScan scan) {
    const auto number = request.header.number;
    for (const auto& [id, offset, lsn, type, is_whole] : scan.found) {
        const Place place{number, offset, lsn};
        auto& entry = entries_[id];
        if (type == RecordType::done) entry.is_done = true;
        if (type == RecordType::enqueue && place.lsn >= entry.enqueue.lsn) entry.enqueue = place;
        if (type != RecordType::state || place.lsn < entry.state.lsn) continue;
        auto& deltas = entry.deltas;
        if (is_whole) {
            entry.state = place;
            deltas.erase(deltas.begin(),
                         std::ranges::upper_bound(deltas, place.lsn, {}, &Place::lsn));
            continue;
        }
        const auto at = std::ranges::lower_bound(deltas, place.lsn, {}, &Place::lsn);
        if (at == deltas.end() || at->lsn != place.lsn) deltas.insert(at, place);
    }
    for (const auto& event : scan.history) {
        if (std::ranges::find(history_, event.lsn, &SpoolEvent::lsn) == history_.end()) {
            history_.push_back(event);
        }
    }
    std::ranges::sort(history_, {}, &SpoolEvent::lsn);
    // A segment that has a successor was cut at its end before; the others may still grow.
    segments_[number] = {.header = request.header,
                         .records = scan.records,
                         .is_open = request.end == 0,
                         .problems = std::move(scan.problems),
                         .notes = std::move(scan.notes)};
}

bool SpoolView::report_progress(const SpoolListing& listing) {
    if (!options_.on_progress) return true;
    std::uint64_t total = 0;
    std::uint64_t done = 0;
    for (const auto& [number, size] : listing.sizes()) {
        total += size;
        if (segments_.contains(number)) done += size;
    }
    return options_.on_progress(done, total);
}

void SpoolView::gather_findings(const SpoolListing& listing) {
    problems_ = listing.problems();
    notes_ = listing.notes();
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

// Returns the payload. not_found: the segment is gone, or its file has become another one.
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
