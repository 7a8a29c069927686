#include "queue/segment_log/format/digest.h"

#include <algorithm>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "queue/bytes.h"
#include "queue/segment_log/format/crc32c.h"
#include "queue/segment_log/format/digest_check.h"
#include "queue/segment_log/format/state_fields.h"

namespace queue::segment_log {
namespace {

constexpr std::string_view magic = "PHINDEX\n";
constexpr std::uint16_t digest_version = 4;
constexpr std::size_t at_head_crc = Digest::head_bytes - 4;
constexpr std::size_t at_body_crc = Digest::head_bytes - 8;
constexpr std::size_t at_string_bytes = Digest::head_bytes - 16;
constexpr std::size_t at_string_count = Digest::head_bytes - 12;
// An entry: type, offset, bytes, id; then what is its own.
constexpr std::size_t entry_fixed_bytes = 1 + 4 + 4 + 8;
constexpr std::size_t at_lsn = entry_fixed_bytes;
constexpr std::size_t at_enqueue_arrival = at_lsn + 8;
constexpr std::size_t at_enqueue_requests = at_enqueue_arrival + 8 + 8 + 4;
constexpr std::size_t at_enqueue_count = at_enqueue_requests + 4 + 4;
constexpr std::size_t enqueue_fixed_bytes = at_enqueue_count + 4;
constexpr std::size_t enqueue_recipient_bytes = 4 + 4 + 1;
constexpr std::size_t chunk_bytes = 8 + 4 + 4 + 4;
constexpr std::size_t at_state_recipients = at_lsn + 8;
constexpr std::size_t at_state_count = at_state_recipients + 4;
constexpr std::size_t state_fixed_bytes = at_state_count + 4;
// The recipient's number, its state, the text and the remote of its last error.
constexpr std::size_t state_recipient_bytes = 4 + state_fields_bytes + 4 + 4;
constexpr std::size_t done_entry_bytes = entry_fixed_bytes + 8;

std::size_t entry_bytes(std::string_view bytes, std::size_t at) {
    switch (static_cast<RecordType>(get_at<std::uint8_t>(bytes, at))) {
        case RecordType::enqueue: {
            const auto recipients = get_at<std::uint32_t>(bytes, at + at_enqueue_count);
            const auto chunks_at = at + enqueue_fixed_bytes + recipients * enqueue_recipient_bytes;
            return chunks_at + 4 + get_at<std::uint32_t>(bytes, chunks_at) * chunk_bytes - at;
        }
        case RecordType::state:
            return state_fixed_bytes +
                   get_at<std::uint32_t>(bytes, at + at_state_count) * state_recipient_bytes;
        case RecordType::done: return done_entry_bytes;
        case RecordType::body:
        case RecordType::batch: return entry_fixed_bytes;
    }
    return entry_fixed_bytes;
}

mta::Requests requests_in(std::string_view bytes) {
    return parse_requests(bytes).value_or(mta::Requests{});
}

std::string format_head(const DigestHead& head) {
    std::string out(magic);
    put(out, digest_version);
    put(out, std::uint16_t{0});
    put(out, static_cast<std::uint32_t>(head.origin.stream));
    for (const auto byte : head.spool) put(out, byte);
    put(out, head.number);
    put(out, head.generation.value);
    put(out, head.end);
    put(out, head.lsn_max);
    put(out, head.id_max);
    put(out, head.ceiling_lsn);
    put(out, head.id_ceiling);
    put(out, head.records);
    put(out, head.pinned_bytes);
    put(out, head.origin.first_lsn);
    put(out, head.origin.previous);
    put(out, head.origin.previous_end);
    MTA_ASSERT(out.size() <= at_string_bytes);
    out.append(at_string_bytes - out.size(), '\0');
    return out;
}

}  // namespace

std::optional<DigestHead> Digest::parse_head(std::string_view bytes) {
    if (bytes.size() < head_bytes || !bytes.starts_with(magic)) return std::nullopt;
    if (crc32c(bytes.substr(0, at_head_crc)) != get_at<std::uint32_t>(bytes, at_head_crc)) {
        return std::nullopt;
    }
    ByteReader in(bytes.substr(magic.size()));
    if (in.take<std::uint16_t>() != digest_version) return std::nullopt;
    in.take<std::uint16_t>();
    DigestHead head;
    const auto stream = in.take<std::uint32_t>();
    if (stream >= stream_count) return std::nullopt;
    head.origin.stream = static_cast<Stream>(stream);
    for (auto& byte : head.spool) byte = in.take<std::uint8_t>();
    head.number = in.take<std::uint64_t>();
    head.generation.value = in.take<std::uint64_t>();
    head.end = in.take<std::uint64_t>();
    head.lsn_max = in.take<std::uint64_t>();
    head.id_max = in.take<std::uint64_t>();
    head.ceiling_lsn = in.take<std::uint64_t>();
    head.id_ceiling = in.take<std::uint64_t>();
    head.records = in.take<std::uint64_t>();
    head.pinned_bytes = in.take<std::uint64_t>();
    head.origin.first_lsn = in.take<std::uint64_t>();
    head.origin.previous = in.take<std::uint64_t>();
    head.origin.previous_end = in.take<std::uint64_t>();
    // Numbers that no relay writes must not make sums wrap.
    const bool is_sound =
        head.end >= segment_header_bytes && head.end <= UINT32_MAX && head.lsn_max <= lsn_max &&
        head.id_max <= message_id_max && head.id_ceiling <= id_ceiling_max &&
        head.origin.first_lsn <= lsn_max && head.pinned_bytes <= head.end &&
        (head.origin.previous == 0 || (head.origin.previous_end >= segment_header_bytes &&
                                       head.origin.previous_end <= UINT32_MAX));
    if (!is_sound) return std::nullopt;
    return head;
}

std::optional<Digest> Digest::parse(std::string bytes) {
    auto head = parse_head(bytes);
    if (!head) return std::nullopt;
    const auto rest = std::string_view(bytes).substr(head_bytes);
    if (crc32c(rest) != get_at<std::uint32_t>(bytes, at_body_crc)) return std::nullopt;
    Digest digest;
    digest.bytes_ = std::move(bytes);
    digest.head_ = *head;
    const auto count = get_at<std::uint32_t>(digest.bytes_, at_string_count);
    const auto string_bytes = get_at<std::uint32_t>(digest.bytes_, at_string_bytes);
    ByteReader strings(std::string_view(digest.bytes_).substr(head_bytes, string_bytes));
    for (std::uint32_t i = 0; i < count && strings.ok(); ++i) {
        digest.strings_.push_back(strings.take_string());
        if (digest.strings_.back().size() > mta::limits::command_line_bytes_max) strings.fail();
    }
    digest.entries_begin_ = head_bytes + string_bytes;
    if (!strings.ok() || digest.bytes_.size() > UINT32_MAX) return std::nullopt;
    const auto entries = std::string_view(digest.bytes_).substr(digest.entries_begin_);
    if (!are_entries_sound(entries, digest.strings_.size())) return std::nullopt;
    return digest;
}

// The entries were checked in parse(), or made here.
void Digest::for_each(const std::function<void(const Peek&)>& visit) const {
    const std::string_view bytes = bytes_;
    for (auto at = entries_begin_; at < bytes.size(); at += entry_bytes(bytes, at)) {
        Peek peek{.type = static_cast<RecordType>(get_at<std::uint8_t>(bytes, at)),
                  .at = static_cast<std::uint32_t>(at),
                  .id = get_at<std::uint64_t>(bytes, at + 9),
                  .where = {.segment = head_.number,
                            .offset = get_at<std::uint32_t>(bytes, at + 1),
                            .bytes = get_at<std::uint32_t>(bytes, at + 5)}};
        if (peek.type == RecordType::done) {
            peek.home = get_at<std::uint64_t>(bytes, at + entry_fixed_bytes);
        } else if (peek.type != RecordType::body) {
            peek.lsn = get_at<std::uint64_t>(bytes, at + at_lsn);
        }
        visit(peek);
    }
}

Location Digest::place_at(std::uint32_t at) const {
    return {.segment = head_.number,
            .offset = get_at<std::uint32_t>(bytes_, at + 1),
            .bytes = get_at<std::uint32_t>(bytes_, at + 5)};
}

EnqueueEntry Digest::enqueue_at(std::uint32_t at) const {
    ByteReader in(std::string_view(bytes_).substr(at + 1));
    EnqueueEntry entry;
    entry.where.segment = head_.number;
    entry.where.offset = in.take<std::uint32_t>();
    entry.where.bytes = in.take<std::uint32_t>();
    auto& message = entry.message;
    message.id = in.take<std::uint64_t>();
    entry.lsn = in.take<std::uint64_t>();
    message.arrival = mta::from_unix_ms(static_cast<std::int64_t>(in.take<std::uint64_t>()));
    message.size = in.take<std::uint64_t>();
    message.sender = strings_.at(in.take<std::uint32_t>());
    message.requests = requests_in(strings_.at(in.take<std::uint32_t>()));
    message.message_id_hash = in.take<std::uint32_t>();
    const auto count = in.take<std::uint32_t>();
    message.recipients.resize(count);
    for (auto& recipient : message.recipients) {
        recipient.domain = strings_.at(in.take<std::uint32_t>());
        recipient.address_hash = in.take<std::uint32_t>();
        recipient.notify = in.take<std::uint8_t>();
        recipient.state.next_due = first_due(message.arrival, message.requests);
    }
    MTA_ASSERT(in.ok());
    entry.chunks = chunks_at(at);
    return entry;
}

std::vector<ChunkRef> Digest::chunks_at(std::uint32_t at) const {
    const auto begin = at + enqueue_fixed_bytes + recipients_at(at) * enqueue_recipient_bytes;
    ByteReader in(std::string_view(bytes_).substr(begin));
    std::vector<ChunkRef> chunks(in.take<std::uint32_t>());
    for (auto& chunk : chunks) {
        chunk.segment = in.take<std::uint64_t>();
        chunk.offset = in.take<std::uint32_t>();
        chunk.length = in.take<std::uint32_t>();
        chunk.crc = in.take<std::uint32_t>();
    }
    MTA_ASSERT(in.ok());
    return chunks;
}

StateEntry Digest::state_at(std::uint32_t at) const {
    ByteReader in(std::string_view(bytes_).substr(at + 1));
    StateEntry entry;
    entry.where.segment = head_.number;
    entry.where.offset = in.take<std::uint32_t>();
    entry.where.bytes = in.take<std::uint32_t>();
    entry.id = in.take<std::uint64_t>();
    entry.lsn = in.take<std::uint64_t>();
    entry.states.recipients = in.take<std::uint32_t>();
    entry.states.changes.resize(in.take<std::uint32_t>());
    for (auto& [recipient, state] : entry.states.changes) {
        recipient = in.take<std::uint32_t>();
        state = take_state_fields(in);
        state.last_error.text = strings_.at(in.take<std::uint32_t>());
        state.last_error.remote = strings_.at(in.take<std::uint32_t>());
    }
    MTA_ASSERT(in.ok());
    return entry;
}

mta::Instant Digest::due_at(std::uint32_t at) const {
    const std::string_view bytes = bytes_;
    if (static_cast<RecordType>(get_at<std::uint8_t>(bytes, at)) == RecordType::enqueue) {
        const auto arrival = mta::from_unix_ms(
            static_cast<std::int64_t>(get_at<std::uint64_t>(bytes, at + at_enqueue_arrival)));
        const auto requests = strings_.at(get_at<std::uint32_t>(bytes, at + at_enqueue_requests));
        return first_due(arrival, requests_in(requests));
    }
    auto due = mta::Instant::max();
    for (std::uint32_t i = 0; i < get_at<std::uint32_t>(bytes, at + at_state_count); ++i) {
        // Behind the recipient's number.
        const auto begin = at + state_fixed_bytes + i * state_recipient_bytes + 4;
        const auto phase = static_cast<RecipientPhase>(get_at<std::uint8_t>(bytes, begin));
        if (phase != RecipientPhase::pending) continue;
        due = std::min(due, mta::from_unix_ms(static_cast<std::int64_t>(
                                get_at<std::uint64_t>(bytes, begin + at_next_due))));
    }
    return due;
}

std::uint32_t Digest::recipients_at(std::uint32_t at) const {
    const auto type = static_cast<RecordType>(get_at<std::uint8_t>(bytes_, at));
    return get_at<std::uint32_t>(
        bytes_, at + (type == RecordType::enqueue ? at_enqueue_count : at_state_recipients));
}

bool Digest::is_whole_at(std::uint32_t at) const {
    const auto recipients = recipients_at(at);
    return recipients > 0 && get_at<std::uint32_t>(bytes_, at + at_state_count) == recipients;
}

std::uint32_t DigestMaker::intern(std::string_view text) {
    const auto [known, is_new] =
        numbers_.try_emplace(std::string(text), static_cast<std::uint32_t>(strings_.size()));
    if (is_new) strings_.push_back(&known->first);
    return known->second;
}

void DigestMaker::begin(RecordType type, const Location& where) {
    put(entries_, static_cast<std::uint8_t>(type));
    put(entries_, where.offset);
    put(entries_, where.bytes);
}

bool DigestMaker::add(const Location& where, const Record& record) {
    if (record.is_too_new()) return false;
    ++head_.records;
    head_.lsn_max = std::max(head_.lsn_max, record.lsn);
    switch (record.type) {
        case RecordType::enqueue: return add_enqueue(where, record);
        case RecordType::state: return add_state(where, record);
        case RecordType::body: {
            const auto body = parse_body(record.payload);
            if (!body) return false;
            begin(RecordType::body, where);
            put(entries_, body->id);
            head_.id_max = std::max(head_.id_max, body->id);
            return true;
        }
        case RecordType::done: {
            const auto done = parse_done(record.payload);
            if (!done) return false;
            begin(RecordType::done, where);
            put(entries_, done->id);
            put(entries_, done->home);
            head_.id_max = std::max(head_.id_max, done->id);
            return true;
        }
        case RecordType::batch: {
            const auto batch = parse_batch(record.payload);
            if (!batch) return false;
            head_.origin = batch->origin;
            // The newest ceiling counts, not the highest: a tidy end gives back reserved ids.
            head_.ceiling_lsn = record.lsn;
            head_.id_ceiling = batch->id_ceiling;
            return true;
        }
    }
    return false;
}

bool DigestMaker::add_enqueue(const Location& where, const Record& record) {
    const auto enqueue = parse_enqueue(record.payload);
    if (!enqueue) return false;
    const auto& message = enqueue->message;
    begin(RecordType::enqueue, where);
    put(entries_, message.id);
    put(entries_, record.lsn);
    put(entries_, static_cast<std::uint64_t>(mta::to_unix_ms(message.arrival)));
    put(entries_, message.facts.size);
    put(entries_, intern(message.envelope.reverse_path));
    put(entries_, intern(format_requests(message.envelope.requests)));
    put(entries_, hash_of_message_id(message.message_id));
    put(entries_, static_cast<std::uint32_t>(message.envelope.recipients.size()));
    for (const auto& recipient : message.envelope.recipients) {
        put(entries_, intern(recipient.domain));
        put(entries_, hash_of_address(recipient));
        put(entries_, recipient.notify);
    }
    put(entries_, static_cast<std::uint32_t>(enqueue->chunks.size()));
    for (const auto& chunk : enqueue->chunks) {
        put(entries_, chunk.segment);
        put(entries_, chunk.offset);
        put(entries_, chunk.length);
        put(entries_, chunk.crc);
    }
    head_.id_max = std::max(head_.id_max, message.id);
    return true;
}

bool DigestMaker::add_state(const Location& where, const Record& record) {
    const auto payload = parse_state(record.payload, record.version);
    if (!payload) return false;
    begin(RecordType::state, where);
    put(entries_, payload->id);
    put(entries_, record.lsn);
    put(entries_, payload->states.recipients);
    put(entries_, static_cast<std::uint32_t>(payload->states.changes.size()));
    for (const auto& [recipient, state] : payload->states.changes) {
        put(entries_, recipient);
        put_state_fields(entries_, state);
        put(entries_, intern(state.last_error.text));
        put(entries_, intern(state.last_error.remote));
    }
    head_.id_max = std::max(head_.id_max, payload->id);
    return true;
}

Digest DigestMaker::finish() {
    std::string strings;
    for (const auto* text : strings_) put_string(strings, *text);
    Digest digest;
    digest.head_ = head_;
    auto& out = digest.bytes_;
    out.reserve(Digest::head_bytes + strings.size() + entries_.size());
    out += format_head(head_);
    put(out, static_cast<std::uint32_t>(strings.size()));
    put(out, static_cast<std::uint32_t>(strings_.size()));
    put(out, crc32c(entries_, crc32c(strings)));
    put(out, crc32c(out));
    MTA_ASSERT(out.size() == Digest::head_bytes);
    out += strings;
    out += entries_;
    digest.entries_begin_ = Digest::head_bytes + strings.size();
    ByteReader reader(std::string_view(out).substr(Digest::head_bytes, strings.size()));
    for (std::size_t i = 0; i < strings_.size(); ++i) {
        digest.strings_.push_back(reader.take_string());
    }
    return digest;
}

}  // namespace queue::segment_log
