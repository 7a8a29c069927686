#include "queue/segment_log/segments/housekeeping.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "queue/segment_log/disk/digest_file.h"
#include "queue/segment_log/format/digest.h"
#include "queue/segment_log/format/segment_scan.h"

namespace queue::segment_log {
namespace {

// The youngest closed segments get no digest yet, because they are likely to be empty soon.
constexpr std::size_t digests_left_for_later = 4;

// splitmix64's finisher: every bit of the result depends on every bit of `value`.
std::uint64_t mix(std::uint64_t value) {
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

}  // namespace

Housekeeping::Housekeeping(Disk& disk, const LogOptions& options, const Uuid& spool)
    : disk_(disk), options_(options), spool_(spool), rng_(options.random_seed) {}

void Housekeeping::adopt_free(std::string path) {
    const mta::MutexLock lock(mutex_);
    free_paths_.push_back(std::move(path));
}

void Housekeeping::reserve_number(std::uint64_t number) {
    const mta::MutexLock lock(mutex_);
    number_ = std::max(number_, number);
}

// ---- The writer ----

DiskResult<Housekeeping::Ready> Housekeeping::take() {
    {
        const mta::MutexLock lock(mutex_);
        is_wanted_ = false;
        if (!ready_.empty()) {
            auto ready = std::move(ready_.front());
            ready_.pop_front();
            return ready;
        }
    }
    return make(false);
}

void Housekeeping::want_ready() {
    const mta::MutexLock lock(mutex_);
    is_wanted_ = true;
}

void Housekeeping::retire(std::uint64_t number, std::uint64_t end) {
    const mta::MutexLock lock(mutex_);
    to_retire_.push_back({number, end});
    std::erase_if(to_digest_, [number](const Closed& closed) { return closed.number == number; });
}

std::vector<Housekeeping::Retired> Housekeeping::take_retired() {
    const mta::MutexLock lock(mutex_);
    return std::exchange(retired_, {});
}

void Housekeeping::add_closed(std::uint64_t number, std::uint64_t end) {
    const mta::MutexLock lock(mutex_);
    to_digest_.push_back({number, end});
}

// ---- The helper ----

bool Housekeeping::wants_one() const {
    return !is_room_short_ && ready_.empty() && (is_wanted_ || !free_paths_.empty());
}

bool Housekeeping::has_one_too_many() const { return is_room_short_ && !free_paths_.empty(); }

bool Housekeeping::has_work() const {
    const mta::MutexLock lock(mutex_);
    return !to_retire_.empty() || wants_one() || has_one_too_many() ||
           to_digest_.size() > digests_left_for_later;
}

bool Housekeeping::step() {
    mta::MutexLock lock(mutex_);
    if (!to_retire_.empty()) {
        const auto segment = to_retire_.front();
        to_retire_.pop_front();
        lock.unlock();
        const auto moved = move_away(segment);
        lock.lock();
        if (!moved && moved.error().is_temporary()) {
            to_retire_.push_front(segment);
            return false;
        }
        retired_.push_back({segment.number, moved.has_value()});
        return true;
    }
    if (has_one_too_many()) {
        const auto path = std::move(free_paths_.back());
        free_paths_.pop_back();
        lock.unlock();
        // If this fails, the next start finds the file.
        [[maybe_unused]] const auto removed = disk_.remove(path);
        return true;
    }
    if (wants_one()) {
        lock.unlock();
        auto made = make(true);
        lock.lock();
        is_wanted_ = false;  // a failure is not repeated: take() will meet it
        if (made) ready_.push_back(std::move(*made));
        return made || !made.error().is_temporary();
    }
    if (to_digest_.size() > digests_left_for_later) {
        const auto segment = to_digest_.front();
        to_digest_.pop_front();
        lock.unlock();
        write_digest(segment);
        return true;
    }
    return false;
}

void Housekeeping::finish(const std::function<bool()>& has_time) {
    std::deque<Closed> left;
    {
        const mta::MutexLock lock(mutex_);
        left.swap(to_digest_);
    }
    for (const auto& segment : left) {
        if (!has_time()) return;
        write_digest(segment);
    }
}

std::optional<std::string> Housekeeping::take_free_path() {
    const mta::MutexLock lock(mutex_);
    if (free_paths_.empty()) return std::nullopt;
    auto path = std::move(free_paths_.back());
    free_paths_.pop_back();
    return path;
}

DiskResult<Housekeeping::Ready> Housekeeping::make(bool is_filled) {
    std::uint64_t number = 0;
    {
        const mta::MutexLock lock(mutex_);
        number = ++number_;
    }
    while (auto path = take_free_path()) {
        auto file = disk_.open(*path);
        if (!file && file.error().is_temporary()) {
            adopt_free(std::move(*path));
            return std::unexpected(std::move(file).error());
        }
        if (!file) continue;
        const auto size = (*file)->size();
        if (size) return make_in(*path, std::move(*file), *size, number);
    }
    const auto path = "free/" + segment_file_name(number);
    auto file = disk_.create(path);
    if (!file) return std::unexpected(std::move(file).error());
    if (is_filled) {
        if (auto filled = fill(**file, segment_header_bytes); !filled) {
            // A part of a segment would only take the room that is missing.
            [[maybe_unused]] const auto removed = disk_.remove(path);
            return std::unexpected(std::move(filled).error());
        }
    }
    const auto bytes = is_filled ? options_.segment_bytes : segment_header_bytes;
    return make_in(path, std::move(*file), bytes, number);
}

DiskResult<Housekeeping::Ready> Housekeeping::make_in(const std::string& path,
                                                      std::unique_ptr<DiskFile> file,
                                                      std::uint64_t bytes, std::uint64_t number) {
    Ready ready{.number = number, .generation = {}, .file = std::move(file), .bytes = bytes};
    {
        const mta::MutexLock lock(mutex_);
        // The number makes the generation differ even where the seed does not.
        ready.generation.value = mix(rng_() + number);
    }
    if (ready.generation.tag() == 0) ready.generation.value |= 1ull << 32;
    const auto header =
        format_header({.spool = spool_, .number = number, .generation = ready.generation});
    auto done = ready.file->write(0, header);
    if (done) done = ready.file->sync();
    if (done) done = disk_.rename(path, segment_path(number));
    if (!done) {
        // The file must not be forgotten in free/.
        if (done.error().is_temporary()) {
            adopt_free(path);
        } else {
            [[maybe_unused]] const auto removed = disk_.remove(path);
        }
        return std::unexpected(std::move(done).error());
    }
    for (const auto* folder : {"seg", "free"}) {
        if (done = sync_folder(folder); done) continue;
        // It is empty: the next start would take it for a segment that was made ready.
        if (done.error().is_temporary()) {
            [[maybe_unused]] const auto removed = disk_.remove(segment_path(number));
        }
        return std::unexpected(std::move(done).error());
    }
    return ready;
}

// Fills in steps. Each is on its way to the disk before the next, so that the writer's sync does
// not have to wait for all of them.
DiskResult<void> Housekeeping::fill(DiskFile& file, std::uint64_t from) const {
    constexpr std::uint64_t step_bytes = 1u << 20;
    const std::string zeros(std::min(step_bytes, options_.segment_bytes), '\0');
    for (auto at = from; at < options_.segment_bytes;) {
        if (is_in_a_hurry_) return std::unexpected(DiskError{ECANCELED, "the relay stops"});
        const auto length = std::min<std::uint64_t>(zeros.size(), options_.segment_bytes - at);
        auto written =
            file.write(at, std::string_view(zeros).substr(0, static_cast<std::size_t>(length)));
        if (!written) return written;
        file.start_writing(at, length);
        at += length;
    }
    return {};
}

DiskResult<void> Housekeeping::move_away(const Closed& segment) {
    // A digest without its segment does no harm, so a failure does not matter.
    [[maybe_unused]] const auto no_digest = disk_.remove(index_path(segment.number));
    bool is_worth_keeping =
        segment.end >= options_.segment_bytes / 4 * 3 && segment.end <= options_.segment_bytes;
    {
        const mta::MutexLock lock(mutex_);
        is_worth_keeping = is_worth_keeping && free_paths_.size() < options_.free_segments_max;
    }
    if (!is_worth_keeping) {
        // If it is not found, an earlier call has renamed it and could not sync.
        auto removed = disk_.remove(segment_path(segment.number));
        if (!removed && !removed.error().is_not_found()) return removed;
        return sync_folder("seg");
    }
    auto path = "free/" + segment_file_name(segment.number);
    auto renamed = disk_.rename(segment_path(segment.number), path);
    if (!renamed && !renamed.error().is_not_found()) return renamed;
    if (auto done = sync_folder("seg"); !done) return done;
    if (auto done = sync_folder("free"); !done) return done;
    const mta::MutexLock lock(mutex_);
    free_paths_.push_back(std::move(path));
    return {};
}

DiskResult<void> Housekeeping::sync_folder(const char* folder) {
    auto synced = disk_.sync_directory(folder);
    if (!synced && !synced.error().is_temporary()) {
        const mta::MutexLock lock(mutex_);
        failure_ = synced.error();
        has_failed_ = true;
    }
    return synced;
}

std::optional<DiskError> Housekeeping::failure() const {
    const mta::MutexLock lock(mutex_);
    return failure_;
}

void Housekeeping::write_digest(const Closed& segment) {
    write_digest_of(disk_, segment.number, segment.end);
}

void write_digest_of(Disk& disk, std::uint64_t number, std::uint64_t end) {
    auto file = disk.open(segment_path(number));
    if (!file) return;
    const auto bytes = (*file)->read(0, static_cast<std::size_t>(end));
    const auto found = bytes ? find_header(*bytes, number) : std::nullopt;
    const auto* header = found ? &found->header : nullptr;
    if (header == nullptr || header->number != number) return;
    DigestMaker maker;
    const auto scan =
        scan_segment(*bytes, *header, end, [&](std::uint64_t offset, const Record& record) {
            const Location where{.segment = number,
                                 .offset = static_cast<std::uint32_t>(offset),
                                 .bytes = static_cast<std::uint32_t>(record.bytes())};
            if (!maker.add(where, record)) maker.pin(where.bytes);
        });
    // The next start finds the damage and reports it.
    if (!scan.damages.empty()) return;
    maker.head().spool = header->spool;
    maker.head().number = number;
    maker.head().generation = header->generation;
    maker.head().end = end;
    put_digest(disk, maker.finish());
}

}  // namespace queue::segment_log
