// The bytes of a segment, as a broken disk may return them. Properties: reading never crashes; an
// accepted payload is written again as the same bytes; the ranges of a scan are in order and inside
// the file, and its records do not overlap the damage that it reports.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/format/segment_scan.h"

namespace {

using namespace queue::segment_log;

constexpr Generation generation{0x1122334455667788};

void require(bool condition) {
    if (!condition) std::abort();
}

// A payload that is read and written again is the same, except for what the format ignores.
void check_payload(RecordType type, std::string_view payload) {
    std::string again;
    if (type == RecordType::enqueue) {
        const auto enqueue = parse_enqueue(payload);
        if (!enqueue) return;
        put_enqueue(again, enqueue->message, enqueue->body_crc, enqueue->chunks);
        require(again.size() <= payload.size());  // later versions' requests are left out
        require(again.size() <= enqueue_bytes_max(enqueue->message, enqueue->chunks.size()));
        const auto twice = parse_enqueue(again);
        require(twice.has_value());
        require(twice->message.envelope == enqueue->message.envelope);
        require(twice->message.facts == enqueue->message.facts);
        require(twice->chunks == enqueue->chunks);
        require(twice->message.body == enqueue->message.body);
    } else if (type == RecordType::state) {
        const auto state = parse_state(payload);
        if (!state) return;
        put_state(again, state->id, state->home, state->states);
        require(again.size() <= payload.size());  // long texts are cut
        require(again.size() <= state_bytes_max(state->states));
        require(parse_state(again).has_value());
    } else if (type == RecordType::done) {
        const auto done = parse_done(payload);
        if (!done) return;
        put_done(again, *done);
        require(again == payload);
    } else if (type == RecordType::batch) {
        const auto batch = parse_batch(payload);
        if (batch) require(payload.size() == batch_bytes);
    } else if (type == RecordType::body) {
        const auto body = parse_body(payload);
        if (body) require(body->chunk.size() + body_prefix_bytes == payload.size());
    }
}

void check_scan(std::string_view bytes, std::uint64_t end_known) {
    const SegmentHeader header{.number = 1, .generation = generation};
    std::uint64_t at = segment_header_bytes;
    std::uint64_t lsn = 0;
    const auto scan =
        scan_segment(bytes, header, end_known, [&](std::uint64_t offset, const Record& record) {
            require(offset >= at && offset % record_alignment == 0);
            require(offset + record.bytes() <= bytes.size());
            require(record.lsn > lsn);
            lsn = record.lsn;
            at = offset + record.bytes();
            check_payload(record.type, record.payload);
        });
    require(scan.end >= at);
    require(scan.lsn_max >= lsn);
    std::uint64_t damage_end = segment_header_bytes;
    for (const auto& hole : scan.damages) {
        require(hole.offset >= damage_end && hole.bytes > 0);
        damage_end = hole.offset + hole.bytes;
    }
    if (end_known == 0) require(scan.damages.empty() || damage_end <= scan.end);
}

}  // namespace

// The first byte says what the rest is: a payload of a type, the records of a segment (with correct
// checksums put in, so that the fuzzer gets past them), or a header.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto kind = data[0] % 8;
    const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
    if (kind < 6) {
        check_payload(static_cast<RecordType>(kind), rest);
        return 0;
    }
    if (kind == 6) {
        (void)parse_header(rest);
        std::string bytes(segment_header_bytes, '\0');
        bytes += rest;
        check_scan(bytes, 0);
        check_scan(bytes, bytes.size() + 8);
        return 0;
    }
    // Each byte makes a record, or damages an earlier one.
    std::string bytes(segment_header_bytes, '\0');
    std::uint64_t lsn = 1;
    for (const char c : rest) {
        const auto value = static_cast<unsigned char>(c);
        const auto step = value >> 5;
        if (step < 5) {
            const auto at = begin_record(bytes);
            if (step == 4) {
                put_batch(bytes, {.count = 1, .durable_lsn = lsn - lsn % (1 + value % 8)});
            } else {
                bytes.append(value % 32, static_cast<char>(value));
            }
            end_record(bytes, at, generation, static_cast<RecordType>(step + 1), lsn);
            lsn += value % 16 == 15 ? 2 : 1;
        } else if (step == 5) {
            bytes[bytes.size() - 1 - value % 32] ^= 1;
        } else if (step == 6) {
            bytes.append(std::size_t{8} * (value % 32), '\0');
        } else {
            const auto back = std::size_t{8} * (value % 32);
            if (bytes.size() >= segment_header_bytes + back) bytes.resize(bytes.size() - back);
        }
    }
    check_scan(bytes, 0);
    check_scan(bytes, bytes.size());
    return 0;
}
