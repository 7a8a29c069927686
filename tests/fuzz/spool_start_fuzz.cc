// A spool's folder, as a broken disk, a stranger or an attacker may leave it, through a whole
// start: survey, old mail, loading, reading, writing, compaction, and a second start. Properties:
// the start never crashes; the undamaged records at the beginning of one of the spool's own
// segments are loaded; new mail is kept.
//
// If the first byte is 1, correct checksums are put in, so that the fuzzer gets past them. The
// files follow, one behind the other: u8 length of the path, path, u32 bytes that follow, u32 bytes
// of the file (the rest are zeros).
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "queue/bytes.h"
#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/format/crc32c.h"
#include "queue/segment_log/format/digest.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/log_service.h"
#include "queue/segment_log/reading/spool_view.h"
#include "tests/support/fake_disk.h"

namespace {

using namespace queue::segment_log;
using queue::ByteReader;
using queue::MessageId;
using queue::put_at;
using Files = std::map<std::string, std::string>;

constexpr std::size_t file_bytes_max = 256u << 10;
constexpr std::size_t files_max = 12;

void require(bool condition) {
    if (!condition) std::abort();
}

Files files_in(std::string_view bytes) {
    Files files;
    ByteReader in(bytes);
    while (in.left() > 0 && files.size() < files_max) {
        const auto path = in.take_bytes(in.take<std::uint8_t>());
        const auto stored = in.take<std::uint32_t>();
        const auto size = std::min<std::size_t>(in.take<std::uint32_t>(), file_bytes_max);
        auto content = std::string(in.take_bytes(std::min<std::size_t>(stored, in.left())));
        if (!in.ok() || path.empty()) break;
        if (content.size() < size) content.resize(size);
        if (content.size() > file_bytes_max) content.resize(file_bytes_max);
        files[std::string(path)] = std::move(content);
    }
    return files;
}

void repair_segment(std::string& bytes) {
    if (bytes.size() < segment_header_bytes) return;
    constexpr std::size_t at_header_crc = segment_header_bytes - 4;
    put_at(bytes, at_header_crc, crc32c(std::string_view(bytes).substr(0, at_header_crc)));
    const auto header = parse_header(bytes);
    if (!header) return;
    for (std::size_t at = segment_header_bytes; at + record_header_bytes <= bytes.size();) {
        const auto frame = parse_frame(std::string_view(bytes).substr(at), header->generation);
        if (!frame) return;
        const auto covered =
            std::string_view(bytes).substr(at + 4, record_header_bytes - 4 + frame->payload.size());
        put_at(bytes, at, crc32c(covered, header->generation.seed()));
        at += frame->bytes();
    }
}

void repair_digest(std::string& bytes) {
    if (bytes.size() < Digest::head_bytes) return;
    const auto body = std::string_view(bytes).substr(Digest::head_bytes);
    put_at(bytes, Digest::head_bytes - 8, crc32c(body));
    put_at(bytes, Digest::head_bytes - 4,
           crc32c(std::string_view(bytes).substr(0, Digest::head_bytes - 4)));
}

// The messages in undamaged records at the beginning of a segment, and every DONE in any place.
struct Expected {
    std::set<MessageId> queued;
    std::set<MessageId> done;
};

void read_prefix(std::string_view bytes, const SegmentHeader& header, Expected& expected) {
    std::uint64_t lsn = 0;
    bool is_prefix = true;
    for (std::size_t at = segment_header_bytes; at + record_header_bytes <= bytes.size();) {
        const auto record = parse_record(bytes.substr(at), header.generation);
        const bool is_next =
            record && (lsn == 0 ? record->type == RecordType::batch : record->lsn == lsn + 1);
        is_prefix = is_prefix && is_next;
        if (record && record->type == RecordType::done)
            if (const auto done = parse_done(record->payload)) expected.done.insert(done->id);
        if (!record) {
            at += record_alignment;
            continue;
        }
        const auto enqueue = record->type == RecordType::enqueue && is_prefix
                                 ? parse_enqueue(record->payload)
                                 : std::nullopt;
        if (enqueue && enqueue->chunks.empty()) expected.queued.insert(enqueue->message.id);
        lsn = record->lsn;
        at += record->bytes();
    }
}

Expected expected_of(FakeDisk& disk, const Files& files) {
    std::vector<SegmentHeader> headers;
    for (const auto& [path, bytes] : files) {
        if (!path.starts_with("seg/")) continue;
        const auto number = parse_segment_file_name(std::string_view(path).substr(4));
        const auto header = parse_header(bytes);
        if (number && header && header->number == *number && *number != 0 &&
            *number <= segment_number_max) {
            headers.push_back(*header);
        }
    }
    std::ranges::sort(headers, {}, &SegmentHeader::number);
    const auto version = read_version(disk);
    const auto own = own_spool(version ? *version : std::nullopt, headers);
    Expected expected;
    for (const auto& header : headers)
        if (header.spool == own)
            read_prefix(files.at(segment_path(header.number)), header, expected);
    return expected;
}

// A store, driven by hand.
class Driver {
public:
    explicit Driver(Disk& disk) {
        LogOptions options;
        options.segment_bytes = 64u << 10;
        options.batch_bytes_max = 32u << 10;
        options.zero_ahead_bytes = 4096;
        options.random_seed = 7;
        auto opened = LogService::open(disk, options, LogService::Mode::steps);
        if (!opened) return;
        service_ = std::move(*opened);
        store_ = service_->make_store([this](auto work) { posted_.push_back(std::move(work)); });
    }
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;
    ~Driver() {
        store_.reset();
        service_.reset();
    }
    [[nodiscard]] bool is_open() const { return store_ != nullptr; }
    [[nodiscard]] queue::Store& store() { return *store_; }
    void run() {
        while (service_->step() || !posted_.empty()) {
            while (!posted_.empty()) {
                auto work = std::move(posted_.front());
                posted_.pop_front();
                work();
            }
        }
    }
    std::vector<queue::QueuedMessage> load() {
        std::vector<queue::QueuedMessage> all;
        bool was_last = false;
        store_->load([&](std::vector<queue::QueuedMessage> batch, bool last) {
            std::ranges::move(batch, std::back_inserter(all));
            was_last = last;
        });
        run();
        require(was_last);
        return all;
    }
    void read(const queue::QueuedMessage& message) {
        store_->read(message.id, [](const auto&) {});
        store_->read_body(message.id, 0, 1000, [](const auto&) {});
        run();
    }
    MessageId enqueue() {
        auto message = std::make_shared<queue::Message>();
        message->id = store_->allocate_id();
        message->envelope.reverse_path = "new@us.example";
        message->envelope.recipients.resize(1);
        message->body = "new\r\n";
        message->facts.size = message->body.size();
        const auto id = message->id;
        bool is_durable = false;
        store_->enqueue(std::move(message),
                        [&](const auto& result) { is_durable = result.has_value(); });
        run();
        require(is_durable);
        return id;
    }

private:
    std::unique_ptr<LogService> service_;
    std::unique_ptr<queue::Store> store_;
    std::deque<std::move_only_function<void()>> posted_;
};

void look(FakeDisk& disk) {
    const auto view = SpoolView::open(disk, {.history_of = 1, .on_progress = nullptr});
    if (!view) return;
    for (const auto id : (*view)->messages(true)) {
        const auto found = (*view)->read(id);
        if (!found) continue;
        const auto read = (*view)->read_body(*found, [](std::string_view) { return true; });
        static_cast<void>(read);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const bool is_repaired = data[0] % 2 == 1;
    auto files = files_in({reinterpret_cast<const char*>(data + 1), size - 1});
    FakeDisk disk;
    bool has_digest = false;
    for (auto& [path, bytes] : files) {
        if (is_repaired) path.ends_with(".idx") ? repair_digest(bytes) : repair_segment(bytes);
        has_digest = has_digest || path.ends_with(".idx");
        disk.put(path, bytes);
    }
    look(disk);
    // With correct checksums on wrong numbers, or with arbitrary digests, the result is open.
    const auto expected = is_repaired || has_digest ? Expected{} : expected_of(disk, files);
    MessageId added = 0;
    {
        Driver driver(disk);
        if (!driver.is_open()) return 0;
        const auto loaded = driver.load();
        for (const auto id : expected.queued) {
            require(expected.done.contains(id) ||
                    std::ranges::find(loaded, id, &queue::QueuedMessage::id) != loaded.end());
        }
        for (const auto& message : loaded) driver.read(message);
        added = driver.enqueue();
        for (std::size_t i = 0; i < loaded.size(); ++i) {
            if (i % 2 == 0) driver.store().finish(loaded[i].id, {}, nullptr);
            if (i % 2 == 1 && loaded[i].recipients.size() < 1000)
                driver.store().update(
                    loaded[i].id, std::vector<queue::RecipientState>(loaded[i].recipients.size()),
                    {});
        }
        driver.run();
    }
    Driver again(disk);
    if (!again.is_open()) std::abort();
    const auto loaded = again.load();
    require(std::ranges::find(loaded, added, &queue::QueuedMessage::id) != loaded.end());
    return 0;
}
