#include "queue/segment_log/format/payload.h"

#include <algorithm>
#include <utility>

#include "mta/base/limits.h"
#include "queue/bytes.h"
#include "queue/segment_log/format/instants.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/format/state_fields.h"

namespace queue::segment_log {
namespace {

enum EnqueueFlag : std::uint8_t {
    flag_smtputf8 = 1,
    flag_has_8bit = 2,
    flag_header_has_8bit = 4,
    flag_has_leading_dots = 8,
    flag_body_inline = 16,
    flag_has_requests = 32,
    flag_has_added_header = 64,
};

constexpr std::size_t enqueue_fixed_bytes = 8 + 8 + 8 + 4 + 4 + 4 + 4 + 8 + 3 * 2 + 4 + 4;
constexpr std::size_t recipient_fixed_bytes = 1 + 3 * 2;
constexpr std::size_t chunk_ref_bytes = 8 + 4 + 4 + 4;
constexpr std::size_t requests_bytes = 1 + 1 + 8 + 8;
constexpr std::uint8_t by_mode_bits = 3;
constexpr std::uint8_t by_trace_bit = 4;
// With the lengths of the text and the remote of the last error.
constexpr std::size_t state_bytes_min = state_fields_bytes + std::size_t{2} * 2;
// "mx1.them.example [2001:db8::1]:25": a name and an address.
constexpr std::size_t kept_remote_bytes_max = 320;

std::uint8_t flags_of(const Message& message) {
    unsigned flags = 0;
    if (message.envelope.smtputf8) flags |= flag_smtputf8;
    if (message.facts.has_8bit) flags |= flag_has_8bit;
    if (message.facts.header_has_8bit) flags |= flag_header_has_8bit;
    if (message.facts.has_leading_dots) flags |= flag_has_leading_dots;
    if (message.is_body_inline()) flags |= flag_body_inline;
    if (!message.envelope.requests.is_empty()) flags |= flag_has_requests;
    if (!message.added_header.empty()) flags |= flag_has_added_header;
    return static_cast<std::uint8_t>(flags);
}

// Room for `count` things of at least `bytes_min` each, as far as the bytes can hold them.
template <class T>
void reserve_for(std::vector<T>& things, std::uint32_t count, const ByteReader& in,
                 std::size_t bytes_min) {
    things.reserve(std::min<std::size_t>(count, in.left() / bytes_min));
}

void take_recipients(ByteReader& in, std::vector<Recipient>& recipients) {
    const auto count = in.take<std::uint32_t>();
    reserve_for(recipients, count, in, recipient_fixed_bytes);
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
        Recipient recipient;
        recipient.notify = in.take<std::uint8_t>();
        recipient.address = in.take_string();
        recipient.domain = in.take_string();
        recipient.orcpt = in.take_string();
        recipients.push_back(std::move(recipient));
    }
}

void take_chunks(ByteReader& in, std::vector<ChunkRef>& chunks) {
    const auto count = in.take<std::uint32_t>();
    reserve_for(chunks, count, in, chunk_ref_bytes);
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
        ChunkRef chunk;
        chunk.segment = in.take<std::uint64_t>();
        chunk.offset = in.take<std::uint32_t>();
        chunk.length = in.take<std::uint32_t>();
        chunk.crc = in.take<std::uint32_t>();
        chunks.push_back(chunk);
    }
}

// The bytes that are described must be those that are there. An empty body is never in chunks.
bool is_consistent(const EnqueuePayload& enqueue, bool is_inline) {
    const auto& message = enqueue.message;
    if (message.added_header.size() > mta::limits::header_bytes_max ||
        message.added_header.size() > message.facts.size) {
        return false;
    }
    const auto size = message.body_bytes();
    if (is_inline) return enqueue.chunks.empty() && message.body.size() == size;
    std::uint64_t sum = 0;
    for (const auto& chunk : enqueue.chunks) sum += chunk.length;
    return size > 0 && sum == size && message.body.empty();
}

RecipientState take_state(ByteReader& in) {
    auto state = take_state_fields(in);
    state.last_error.text = in.take_string().substr(0, mta::limits::kept_reply_bytes_max);
    state.last_error.remote = in.take_string().substr(0, kept_remote_bytes_max);
    return state;
}

// No string of an envelope is longer than the line that it came in, so the code that uses it, above
// all that which makes reports, need not handle longer ones.
bool has_sane_strings(const Message& message) {
    const auto is_sane = [](std::string_view text) {
        return text.size() <= mta::limits::command_line_bytes_max;
    };
    const auto& envelope = message.envelope;
    return is_sane(envelope.reverse_path) && is_sane(envelope.envid) &&
           is_sane(message.message_id) &&
           std::ranges::all_of(envelope.recipients, [&](const Recipient& recipient) {
               return is_sane(recipient.address) && is_sane(recipient.domain) &&
                      is_sane(recipient.orcpt);
           });
}

bool is_id(MessageId id) { return id != 0 && id <= message_id_max; }

}  // namespace

std::string format_requests(const mta::Requests& requests) {
    std::string out;
    if (requests.is_empty()) return out;
    const auto& by = requests.deliver_by;
    const unsigned trace = by.trace ? by_trace_bit : 0U;
    put(out, static_cast<std::uint8_t>(requests.priority));
    put(out, static_cast<std::uint8_t>(static_cast<unsigned>(by.mode) | trace));
    put_instant(out, std::clamp(requests.release, sane_min, sane_max));
    put_instant(out, std::clamp(by.at, sane_min, sane_max));
    return out;
}

std::optional<mta::Requests> parse_requests(std::string_view bytes) {
    ByteReader in(bytes);
    mta::Requests requests;
    requests.priority = static_cast<std::int8_t>(in.take<std::uint8_t>());
    const auto by = in.take<std::uint8_t>();
    const auto mode = by & by_mode_bits;
    requests.release = take_any_instant(in);
    requests.deliver_by.at = take_any_instant(in);
    if (!in.ok() || requests.priority < mta::priority_min ||
        requests.priority > mta::priority_max ||
        mode > std::to_underlying(mta::ByMode::give_back) || !is_sane(requests.release) ||
        !is_sane(requests.deliver_by.at)) {
        return std::nullopt;
    }
    requests.deliver_by.mode = static_cast<mta::ByMode>(mode);
    requests.deliver_by.trace = (by & by_trace_bit) != 0;
    return requests;
}

void put_enqueue(std::string& out, const Message& message, std::uint32_t body_crc,
                 const std::vector<ChunkRef>& chunks) {
    put(out, message.id);
    put_instant(out, message.arrival);
    put(out, message.about);
    put(out, static_cast<std::uint8_t>(message.envelope.body_type));
    put(out, static_cast<std::uint8_t>(message.envelope.ret));
    put(out, flags_of(message));
    put(out, std::uint8_t{0});
    put(out, message.facts.header_bytes);
    put(out, message.facts.line_bytes_max);
    put(out, body_crc);
    put(out, message.facts.size);
    put_string(out, message.envelope.reverse_path);
    put_string(out, message.envelope.envid);
    put_string(out, message.message_id);
    put(out, static_cast<std::uint32_t>(message.envelope.recipients.size()));
    for (const auto& recipient : message.envelope.recipients) {
        put(out, recipient.notify);
        put_string(out, recipient.address);
        put_string(out, recipient.domain);
        put_string(out, recipient.orcpt);
    }
    put(out, static_cast<std::uint32_t>(chunks.size()));
    for (const auto& chunk : chunks) {
        put(out, chunk.segment);
        put(out, chunk.offset);
        put(out, chunk.length);
        put(out, chunk.crc);
    }
    if (!message.envelope.requests.is_empty())
        put_string(out, format_requests(message.envelope.requests));
    if (!message.added_header.empty()) {
        MTA_ASSERT(message.added_header.size() <= mta::limits::header_bytes_max);
        put(out, static_cast<std::uint32_t>(message.added_header.size()));
        out += message.added_header;
    }
    out += message.body;
}

std::optional<EnqueuePayload> parse_enqueue(std::string_view payload) {
    ByteReader in(payload);
    EnqueuePayload enqueue;
    Message& message = enqueue.message;
    message.id = in.take<std::uint64_t>();
    message.arrival = take_instant(in);
    message.about = in.take<std::uint64_t>();
    message.envelope.body_type = take_enum(in, BodyType::binary_mime);
    message.envelope.ret = take_enum(in, Ret::headers);
    const auto flags = in.take<std::uint8_t>();
    in.take<std::uint8_t>();
    message.facts.header_bytes = in.take<std::uint32_t>();
    message.facts.line_bytes_max = in.take<std::uint32_t>();
    enqueue.body_crc = in.take<std::uint32_t>();
    message.facts.size = in.take<std::uint64_t>();
    message.envelope.smtputf8 = (flags & flag_smtputf8) != 0;
    message.facts.has_8bit = (flags & flag_has_8bit) != 0;
    message.facts.header_has_8bit = (flags & flag_header_has_8bit) != 0;
    message.facts.has_leading_dots = (flags & flag_has_leading_dots) != 0;
    message.envelope.reverse_path = in.take_string();
    message.envelope.envid = in.take_string();
    message.message_id = in.take_string();
    take_recipients(in, message.envelope.recipients);
    take_chunks(in, enqueue.chunks);
    if ((flags & flag_has_requests) != 0) {
        const auto requests = parse_requests(in.take_string());
        if (!requests) return std::nullopt;
        message.envelope.requests = *requests;
    }
    if ((flags & flag_has_added_header) != 0)
        message.added_header = in.take_bytes(in.take<std::uint32_t>());
    if (!in.ok() || !is_id(message.id) || !has_sane_strings(message)) return std::nullopt;
    message.body = in.take_bytes(in.left());
    if (!is_consistent(enqueue, (flags & flag_body_inline) != 0)) return std::nullopt;
    return enqueue;
}

std::size_t enqueue_bytes_max(const Message& message, std::size_t chunk_count) {
    std::size_t bytes = enqueue_fixed_bytes + message.envelope.reverse_path.size() +
                        message.envelope.envid.size() + message.message_id.size() +
                        message.body.size() + chunk_count * chunk_ref_bytes + 2 + requests_bytes +
                        4 + message.added_header.size();
    for (const auto& recipient : message.envelope.recipients) {
        bytes += recipient_fixed_bytes + recipient.address.size() + recipient.domain.size() +
                 recipient.orcpt.size();
    }
    return bytes;
}

void put_body(std::string& out, MessageId id, std::uint32_t index, std::string_view chunk) {
    put(out, id);
    put(out, index);
    put(out, std::uint32_t{0});
    out += chunk;
}

std::optional<BodyPayload> parse_body(std::string_view payload) {
    ByteReader in(payload);
    BodyPayload body;
    body.id = in.take<std::uint64_t>();
    body.index = in.take<std::uint32_t>();
    in.take<std::uint32_t>();
    if (!in.ok() || !is_id(body.id)) return std::nullopt;
    body.chunk = in.take_bytes(in.left());
    return body;
}

void put_state(std::string& out, MessageId id, std::uint64_t home, const StateChanges& states) {
    put(out, id);
    put(out, home);
    put(out, states.recipients);
    put(out, static_cast<std::uint32_t>(states.changes.size()));
    for (const auto& [recipient, state] : states.changes) {
        put(out, recipient);
        put_state_fields(out, state);
        put_string(
            out,
            std::string_view(state.last_error.text).substr(0, mta::limits::kept_reply_bytes_max));
        put_string(out, std::string_view(state.last_error.remote).substr(0, kept_remote_bytes_max));
    }
}

std::optional<StatePayload> parse_state(std::string_view payload, std::uint16_t version) {
    const bool has_numbers = version > 1;
    ByteReader in(payload);
    StatePayload state;
    auto& [recipients, changes] = state.states;
    state.id = in.take<std::uint64_t>();
    state.home = in.take<std::uint64_t>();
    recipients = in.take<std::uint32_t>();
    const auto count = has_numbers ? in.take<std::uint32_t>() : recipients;
    reserve_for(changes, count, in, state_bytes_min);
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
        const auto number = has_numbers ? in.take<std::uint32_t>() : i;
        if (number >= recipients || (i > 0 && number <= changes.back().recipient)) in.fail();
        changes.push_back({number, take_state(in)});
    }
    if (!in.ok() || in.left() != 0 || !is_id(state.id)) return std::nullopt;
    return state;
}

std::size_t state_bytes_max(const StateChanges& states) {
    std::size_t bytes = 24;
    for (const auto& [recipient, state] : states.changes) {
        bytes += 4 + state_bytes_min +
                 std::min(state.last_error.text.size(), mta::limits::kept_reply_bytes_max) +
                 std::min(state.last_error.remote.size(), kept_remote_bytes_max);
    }
    return bytes;
}

void put_done(std::string& out, const DonePayload& done) {
    put(out, done.id);
    put(out, done.home);
}

std::optional<DonePayload> parse_done(std::string_view payload) {
    ByteReader in(payload);
    DonePayload done;
    done.id = in.take<std::uint64_t>();
    done.home = in.take<std::uint64_t>();
    if (!in.ok() || in.left() != 0 || !is_id(done.id)) return std::nullopt;
    return done;
}

void put_batch(std::string& out, const BatchPayload& batch) {
    put(out, batch.count);
    put(out, static_cast<std::uint32_t>(batch.origin.stream));
    put(out, batch.durable_lsn);
    put(out, batch.id_ceiling);
    put(out, batch.origin.first_lsn);
    put(out, batch.origin.previous);
    put(out, batch.origin.previous_end);
}

std::optional<BatchPayload> parse_batch(std::string_view payload) {
    ByteReader in(payload);
    BatchPayload batch;
    batch.count = in.take<std::uint32_t>();
    const auto stream = in.take<std::uint32_t>();
    batch.durable_lsn = in.take<std::uint64_t>();
    batch.id_ceiling = in.take<std::uint64_t>();
    batch.origin.first_lsn = in.take<std::uint64_t>();
    batch.origin.previous = in.take<std::uint64_t>();
    batch.origin.previous_end = in.take<std::uint64_t>();
    if (!in.ok() || in.left() != 0 || stream >= stream_count || batch.durable_lsn > lsn_max ||
        batch.id_ceiling > id_ceiling_max || batch.origin.first_lsn > lsn_max) {
        return std::nullopt;
    }
    // Offsets have 32 bits.
    if (batch.origin.previous != 0 && (batch.origin.previous_end < segment_header_bytes ||
                                       batch.origin.previous_end > UINT32_MAX)) {
        return std::nullopt;
    }
    batch.origin.stream = static_cast<Stream>(stream);
    return batch;
}

}  // namespace queue::segment_log
