#include "queue/segment_log/recovery/old_mail.h"

#include <algorithm>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/digest_file.h"
#include "queue/segment_log/disk/spool_folder.h"

namespace queue::segment_log {

bool OldMail::read(unsigned threads, const std::atomic<bool>& stop) {
    if (!read_digests(threads, stop)) return false;
    for (const auto& digest : digests_) numbers_.insert(digest.head().number);
    collect_dones(stop);
    collect_messages(stop);
    collect_states(stop);
    if (stop) return false;
    check_file_ends();
    check_bodies();
    count();
    if (stop) return false;
    sort_by_due();
    survey_.report.messages = order_.size();
    return true;
}

// ---- Reading ----

StoreResult<Digest> OldMail::digest_of(Survey::Segment& segment, RecoveryReport& report) {
    if (segment.digest) return std::move(*segment.digest);
    if (segment.is_unreadable) return pinned_digest(segment.header);
    if (auto digest = read_digest(disk_, segment.header)) {
        report.records += digest->head().records;
        return std::move(*digest);
    }
    auto read = read_segment(disk_, segment.header, segment.end, report);
    if (!read) return std::unexpected(std::move(read).error());
    segment.damaged = std::move(read->damaged);
    // Damage is reported at each start until the administrator has dealt with it.
    if (!read->has_damage && read->digest.head().pinned_bytes == 0) put_digest(disk_, read->digest);
    return std::move(read->digest);
}

// Each thread takes the next segment that no other has taken.
bool OldMail::read_digests(unsigned threads, const std::atomic<bool>& stop) {
    error_.reset();
    digests_.resize(survey_.segments.size());
    is_digest_read_.resize(survey_.segments.size());
    std::atomic<std::size_t> next = 0;
    mta::Mutex mutex;
    std::vector<RecoveryReport::Damage> damages;
    const auto work = [&] {
        RecoveryReport report;
        for (auto i = next++; i < digests_.size() && !stop; i = next++) {
            if (is_digest_read_[i] != 0) continue;
            auto digest = digest_of(survey_.segments[i], report);
            if (digest) {
                digests_[i] = std::move(*digest);
                is_digest_read_[i] = 1;
                continue;
            }
            const mta::MutexLock lock(mutex);
            error_ = std::move(digest).error();
            break;
        }
        const mta::MutexLock lock(mutex);
        survey_.report.records += report.records;
        damages.insert(damages.end(), report.damages.begin(), report.damages.end());
        survey_.report.notes.insert(survey_.report.notes.end(), report.notes.begin(),
                                    report.notes.end());
    };
    std::vector<std::thread> helpers;
    for (unsigned i = 1; i < threads && i < digests_.size(); ++i) helpers.emplace_back(work);
    work();
    for (auto& helper : helpers) helper.join();
    std::ranges::sort(damages, {}, [](const RecoveryReport::Damage& damage) {
        return std::pair(damage.segment, damage.offset);
    });
    survey_.report.damages.insert(survey_.report.damages.end(), damages.begin(), damages.end());
    return !error_ && !stop;
}

// ---- Putting together, in passes over all entries ----

OldMail::Found* OldMail::find(MessageId id) {
    const auto slot = by_id_.find(id, [this](FoundHandle other) { return found_[other].id; });
    return slot ? &found_[slot] : nullptr;
}

// A pass that is stopped ends between two digests, and its result is not used.
void OldMail::collect_dones(const std::atomic<bool>& stop) {
    for (const auto& digest : digests_) {
        if (stop) return;
        digest.for_each([this](const Digest::Peek& peek) {
            if (peek.type == RecordType::done) done_.insert(peek.id);
        });
    }
}

void OldMail::collect_messages(const std::atomic<bool>& stop) {
    for (std::uint32_t number = 0; number < digests_.size() && !stop; ++number) {
        digests_[number].for_each([&](const Digest::Peek& peek) {
            if (peek.type != RecordType::enqueue || done_.contains(peek.id)) return;
            if (is_new_number(peek)) return;
            auto* known = find(peek.id);
            if (known == nullptr) {
                const auto slot = found_.add({.id = peek.id});
                by_id_.add(peek.id, slot, [this](FoundHandle other) { return found_[other].id; });
                known = &found_[slot];
            } else {
                // One of them was copied from the other.
                const bool is_newer = peek.lsn > known->enqueue_lsn;
                old_homes_.push_back({peek.id, is_newer
                                                   ? digests_[known->enqueue_digest].head().number
                                                   : peek.where.segment});
                if (is_newer) {
                    older_copies_.push_back(
                        {peek.id, known->enqueue_lsn, known->enqueue_digest, known->enqueue_at});
                } else {
                    older_copies_.push_back({peek.id, peek.lsn, number, peek.at});
                    return;
                }
            }
            known->enqueue_lsn = peek.lsn;
            known->enqueue_digest = number;
            known->enqueue_at = peek.at;
        });
    }
}

void OldMail::collect_states(const std::atomic<bool>& stop) {
    const auto for_each_state = [&](const auto& visit) {
        for (std::uint32_t number = 0; number < digests_.size() && !stop; ++number) {
            const auto& digest = digests_[number];
            digest.for_each([&](const Digest::Peek& peek) {
                if (peek.type != RecordType::state) return;
                auto* known = find(peek.id);
                if (known == nullptr || peek.lsn < known->state_lsn) return;
                // With another number of recipients it is not this message's, and does not count.
                const auto recipients =
                    digests_[known->enqueue_digest].recipients_at(known->enqueue_at);
                if (digest.recipients_at(peek.at) == recipients) visit(*known, number, peek);
            });
        }
    };
    for_each_state([this](Found& known, std::uint32_t number, const Digest::Peek& peek) {
        if (!digests_[number].is_whole_at(peek.at)) return;
        known.state_lsn = peek.lsn;
        known.state_digest = number;
        known.state_at = peek.at;
    });
    for_each_state([this](const Found& known, std::uint32_t number, const Digest::Peek& peek) {
        if (digests_[number].is_whole_at(peek.at)) return;
        const auto slot =
            by_id_.find(known.id, [this](FoundHandle other) { return found_[other].id; });
        deltas_.push_back({.slot = slot, .digest = number, .at = peek.at, .lsn = peek.lsn});
    });
    std::ranges::sort(deltas_, {},
                      [](const Delta& delta) { return std::pair(delta.slot, delta.lsn); });
}

std::span<const OldMail::Delta> OldMail::deltas_of(FoundHandle slot) const {
    const auto range = std::ranges::equal_range(deltas_, slot, {}, &Delta::slot);
    return {range.begin(), range.end()};
}

// Its states as the STATEs say together, starting from those of new mail.
std::vector<RecipientState> OldMail::states_of(FoundHandle slot) const {
    const auto& found = found_[slot];
    const auto& enqueue = digests_[found.enqueue_digest];
    RecipientState first;
    first.next_due = enqueue.due_at(found.enqueue_at);
    std::vector<RecipientState> states(enqueue.recipients_at(found.enqueue_at), first);
    const auto apply = [&](std::uint32_t digest, std::uint32_t at) {
        [[maybe_unused]] const bool is_ours = digests_[digest].state_at(at).states.apply_to(states);
    };
    if (found.state_at != no_entry) apply(found.state_digest, found.state_at);
    for (const auto& delta : deltas_of(slot)) apply(delta.digest, delta.at);
    return states;
}

mta::Instant OldMail::due_of(FoundHandle slot) const {
    const auto& found = found_[slot];
    if (deltas_of(slot).empty()) {
        return found.state_at != no_entry ? digests_[found.state_digest].due_at(found.state_at)
                                          : digests_[found.enqueue_digest].due_at(found.enqueue_at);
    }
    auto due = mta::Instant::max();
    for (const auto& state : states_of(slot))
        if (state.phase == RecipientPhase::pending) due = std::min(due, state.next_due);
    return due;
}

// Whether the id is one that new mail is going to get, though it is on disk already. No relay
// writes that, and two messages cannot have it. The record stays where it is.
bool OldMail::is_new_number(const Digest::Peek& peek) {
    if (peek.id < survey_.next_id) return false;
    survey_.report.damages.push_back(
        {.segment = peek.where.segment,
         .offset = peek.where.offset,
         .bytes = peek.where.bytes,
         .what = "message " + format_id(peek.id) + " has an id that was never given away",
         .quarantine_path = ""});
    counts_.push_back({peek.where.segment, peek.where.bytes, {}});
    return true;
}

// A digest may describe more than is left of its segment.
void OldMail::check_file_ends() {
    for (std::size_t i = 0; i < digests_.size(); ++i) {
        const auto& segment = survey_.segments[i];
        for (const auto id : segment.damaged) damaged_[id] = "its body is damaged";
        const auto end = digests_[i].head().end;
        if (segment.is_unreadable || segment.file_bytes >= end) continue;
        survey_.report.damages.push_back({.segment = segment.header.number,
                                          .offset = segment.file_bytes,
                                          .bytes = end - segment.file_bytes,
                                          .what = "the file ends before its records do",
                                          .quarantine_path = ""});
        for (const auto slot : found_.handles()) {
            const auto& found = found_[slot];
            if (found.id == 0 || found.enqueue_digest != i) continue;
            const auto where = place_of(found.enqueue_digest, found.enqueue_at);
            if (std::uint64_t{where.offset} + where.bytes > segment.file_bytes)
                damaged_[found.id] = "its file was cut off";
        }
    }
}

// Takes the copy with the highest lsn that has all its pieces.
bool OldMail::use_older_copy(Found& found, const std::function<bool(const Found&)>& is_whole) {
    std::optional<Found> best;
    for (const auto& copy : older_copies_) {
        if (copy.id != found.id || (best && copy.lsn < best->enqueue_lsn)) continue;
        auto other = found;
        other.enqueue_lsn = copy.lsn;
        other.enqueue_digest = copy.digest;
        other.enqueue_at = copy.at;
        const bool has_same_recipients =
            digests_[copy.digest].recipients_at(copy.at) ==
            digests_[found.enqueue_digest].recipients_at(found.enqueue_at);
        if (has_same_recipients && is_whole(other)) best = other;
    }
    if (!best) return false;
    old_homes_.push_back({found.id, digests_[found.enqueue_digest].head().number});
    found = *best;
    return true;
}

// A message whose pieces are not all there cannot be delivered.
void OldMail::check_bodies() {
    std::unordered_map<std::uint64_t, MessageId> pieces;  // by segment's place and offset
    std::unordered_map<std::uint64_t, std::uint64_t> places;
    std::unordered_set<MessageId> unfinished;
    const auto key = [&](std::uint64_t segment, std::uint32_t offset) {
        const auto place = places.try_emplace(segment, places.size()).first->second;
        return place << 32 | offset;
    };
    for (std::size_t i = 0; i < digests_.size(); ++i) {
        const auto file_bytes = survey_.segments[i].file_bytes;
        digests_[i].for_each([&](const Digest::Peek& peek) {
            if (peek.type != RecordType::body) return;
            if (std::uint64_t{peek.where.offset} + peek.where.bytes > file_bytes) return;
            if (find(peek.id) != nullptr) {
                pieces[key(peek.where.segment, peek.where.offset)] = peek.id;
            } else if (!done_.contains(peek.id)) {
                unfinished.insert(peek.id);
            }
        });
    }
    survey_.report.unfinished_bodies = unfinished.size();
    const auto is_whole = [&](const Found& found) {
        const auto chunks = digests_[found.enqueue_digest].chunks_at(found.enqueue_at);
        return std::ranges::all_of(chunks, [&](const ChunkRef& chunk) {
            const auto piece = pieces.find(key(chunk.segment, chunk.offset));
            return piece != pieces.end() && piece->second == found.id;
        });
    };
    for (const auto slot : found_.handles()) {
        auto& found = found_[slot];
        if (found.id == 0 || is_whole(found) || use_older_copy(found, is_whole)) continue;
        damaged_.try_emplace(found.id, "parts of its body are lost");
        quarantine_message(found, digests_[found.enqueue_digest].chunks_at(found.enqueue_at));
    }
}

// Keeps what there is of the message: its ENQ record, then its BODY records.
void OldMail::quarantine_message(const Found& found, const std::vector<ChunkRef>& chunks) {
    const auto where = place_of(found.enqueue_digest, found.enqueue_at);
    RecoveryReport::Damage damage{
        .segment = where.segment,
        .offset = where.offset,
        .bytes = where.bytes,
        .what = "message " + format_id(found.id) + " lacks parts of its body"};
    std::vector<Location> places = {where};
    for (const auto& chunk : chunks) {
        places.push_back({chunk.segment, chunk.offset,
                          static_cast<std::uint32_t>(
                              aligned(record_header_bytes + body_prefix_bytes + chunk.length))});
    }
    std::string bytes;
    for (const auto& place : places) {
        auto file = disk_.open(segment_path(place.segment));
        if (!file) continue;
        if (auto part = (*file)->read(place.offset, place.bytes)) bytes += *part;
    }
    if (auto path = quarantine(disk_, format_id(found.id) + ".message", bytes)) {
        damage.quarantine_path = std::move(*path);
    } else {
        // It could not be copied, so its segments must stay.
        for (const auto& place : places) counts_.push_back({place.segment, place.bytes, {}});
    }
    survey_.report.damages.push_back(std::move(damage));
}

Location OldMail::place_of(std::uint32_t digest, std::uint32_t at) const {
    return digests_[digest].place_at(at);
}

std::vector<SegmentBytes> OldMail::bodies_of(const Found& found) const {
    std::vector<SegmentBytes> bodies;
    for (const auto& chunk : digests_[found.enqueue_digest].chunks_at(found.enqueue_at)) {
        if (!numbers_.contains(chunk.segment)) continue;  // lost
        if (bodies.empty() || bodies.back().segment != chunk.segment) {
            bodies.push_back({.segment = chunk.segment, .bytes = 0});
        }
        bodies.back().bytes += aligned(record_header_bytes + body_prefix_bytes + chunk.length);
    }
    return bodies;
}

void OldMail::count() {
    std::unordered_map<std::uint64_t, SegmentCount> counts;
    for (const auto& kept : std::exchange(counts_, {})) {
        counts[kept.number].live_bytes += kept.live_bytes;
    }
    for (const auto& digest : digests_) {
        auto& count = counts[digest.head().number];
        count.live_bytes += digest.head().pinned_bytes;
        digest.for_each([&](const Digest::Peek& peek) {
            if (peek.type == RecordType::done) count.dones.push_back({peek.id, peek.home});
        });
    }
    for (const auto slot : found_.handles()) {
        const auto& found = found_[slot];
        if (found.id == 0) continue;
        const auto enqueue = place_of(found.enqueue_digest, found.enqueue_at);
        counts[enqueue.segment].live_bytes += enqueue.bytes;
        if (found.state_at != no_entry) {
            const auto state = place_of(found.state_digest, found.state_at);
            counts[state.segment].live_bytes += state.bytes;
        }
        for (const auto& delta : deltas_of(slot)) {
            const auto place = place_of(delta.digest, delta.at);
            counts[place.segment].live_bytes += place.bytes;
        }
        for (const auto& body : bodies_of(found)) counts[body.segment].live_bytes += body.bytes;
    }
    for (auto& [number, count] : counts) {
        count.number = number;
        counts_.push_back(std::move(count));
    }
}

void OldMail::sort_by_due() {
    std::vector<std::pair<std::int64_t, FoundHandle>> due;
    due.reserve(found_.size());
    for (const auto slot : found_.handles()) {
        const auto& found = found_[slot];
        if (found.id == 0) continue;
        due.emplace_back(mta::to_unix_ms(due_of(slot)), slot);
    }
    std::ranges::sort(due);
    order_.reserve(due.size());
    for (const auto& [at, slot] : due) order_.push_back(slot);
}

// ---- Handing over ----

void OldMail::add_to(Index& index) const {
    for (const auto slot : order_) {
        const auto& found = found_[slot];
        LiveMessage live{.enqueue = place_of(found.enqueue_digest, found.enqueue_at),
                         .state = {},
                         .deltas = {},
                         .bodies = bodies_of(found)};
        if (found.state_at != no_entry) live.state = place_of(found.state_digest, found.state_at);
        for (const auto& delta : deltas_of(slot))
            live.deltas.push_back(place_of(delta.digest, delta.at));
        index.add(found.id, live);
    }
    for (const auto& home : old_homes_) {
        if (index.find(home.id)) index.add_old_home(home);
    }
}

std::vector<QueuedMessage> OldMail::next(std::size_t count_max) {
    std::vector<QueuedMessage> messages;
    const auto count = std::min(count_max, order_.size() - handed_over_);
    messages.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto slot = order_[handed_over_++];
        const auto& found = found_[slot];
        auto entry = digests_[found.enqueue_digest].enqueue_at(found.enqueue_at);
        if (found.state_at != no_entry || !deltas_of(slot).empty()) {
            auto states = states_of(slot);
            for (std::size_t r = 0; r < states.size(); ++r) {
                entry.message.recipients[r].state = std::move(states[r]);
            }
        }
        if (const auto damage = damaged_.find(found.id); damage != damaged_.end())
            entry.message.damage = damage->second;
        messages.push_back(std::move(entry.message));
    }
    return messages;
}

}  // namespace queue::segment_log
