#include "queue/segment_log/reading/spool_scan.h"

#include <optional>
#include <utility>

#include "queue/segment_log/format/crc32c.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/segment_scan.h"

namespace queue::segment_log {
namespace {

// What a record says, as far as a list of messages needs it.
struct Content {
    std::optional<MessageId> id;
    StateChanges states;
    bool is_sound = true;
    bool is_body_damaged = false;
};

Content content_of(const Record& record) {
    Content content;
    if (record.is_too_new()) {
        content.is_sound = false;
        return content;
    }
    switch (record.type) {
        case RecordType::enqueue: {
            const auto enqueue = parse_enqueue(record.payload);
            content.is_sound = enqueue.has_value();
            if (!enqueue) break;
            content.id = enqueue->message.id;
            content.is_body_damaged =
                enqueue->chunks.empty() && crc32c(enqueue->message.body) != enqueue->body_crc;
            break;
        }
        case RecordType::state: {
            auto state = parse_state(record.payload, record.version);
            content.is_sound = state.has_value();
            if (!state) break;
            content.id = state->id;
            content.states = std::move(state->states);
            break;
        }
        case RecordType::done: {
            const auto done = parse_done(record.payload);
            content.is_sound = done.has_value();
            if (done) content.id = done->id;
            break;
        }
        case RecordType::body: content.is_sound = parse_body(record.payload).has_value(); break;
        default: content.is_sound = parse_batch(record.payload).has_value();
    }
    return content;
}

void take_record(SpoolScan& scan, const SpoolScanRequest& request, std::uint64_t offset,
                 const Record& record) {
    const auto path = segment_path(request.header.number);
    auto content = content_of(record);
    if (content.is_body_damaged) {
        scan.problems.push_back(
            {path, offset, record.bytes(),
             "the body of message " + format_id(*content.id) + " does not match its checksum"});
    }
    if (!content.is_sound) {
        scan.notes.push_back(path + " has a record at byte " + std::to_string(offset) +
                             " of a kind that this version does not know");
    }
    if (!content.id) return;
    scan.found.push_back(
        {*content.id, offset, record.lsn, record.type, content.states.are_whole()});
    if (*content.id != request.history_of) return;
    scan.history.push_back({record.lsn, record.type, path, offset, std::move(content.states)});
}

}  // namespace

SpoolScan scan_for_view(std::string_view bytes, const SpoolScanRequest& request) {
    SpoolScan scan;
    const auto on_record = [&](std::uint64_t offset, const Record& record) {
        take_record(scan, request, offset, record);
    };
    const auto path = segment_path(request.header.number);
    const auto scanned =
        scan_segment(bytes, request.header, request.end, on_record, request.later_lsn);
    scan.records = scanned.records;
    for (const auto& hole : scanned.damages) {
        scan.problems.push_back({path, hole.offset, hole.bytes,
                                 hole.offset < bytes.size()
                                     ? "records that do not match their checksum"
                                     : "the file ends before its records do"});
    }
    if (scanned.is_torn) {
        scan.notes.push_back(path + ": the last write, from byte " + std::to_string(scanned.end) +
                             " on, is not whole: it is under way, or was when the relay was cut "
                             "off; no 250 was sent");
    }
    return scan;
}

}  // namespace queue::segment_log
