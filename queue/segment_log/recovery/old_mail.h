#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mta/base/handle.h"
#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/format/digest.h"
#include "queue/segment_log/recovery/recovery.h"
#include "queue/segment_log/segments/index.h"
#include "queue/slab.h"
#include "queue/store.h"

namespace queue::segment_log {

// What was queued when the spool was opened. It is found from the segments' digests, or from a
// segment itself where there is none, and handed over in the order in which it is due. This runs
// beside the writing of new mail, on a thread of its own.
//
//     OldMail old(disk, survey);
//     old.read(threads, stop);        // long: reads a gigabyte for ten million messages
//     old.add_to(index);              // now the messages can be found
//     ... the writer takes over counts() and damages ...
//     old.next(256)...                // hands them over
class OldMail {
public:
    // `disk` must outlive it.
    OldMail(Disk& disk, Survey survey) : disk_(disk), survey_(std::move(survey)) {}

    // Returns false if it was stopped, or if the disk did not answer (`error()`). After an error it
    // may be called again, and continues with what it has not read yet.
    bool read(unsigned threads, const std::atomic<bool>& stop);
    [[nodiscard]] const std::optional<StoreError>& error() const { return error_; }
    // What was found on the way: damage, unfinished bodies, how much there is.
    [[nodiscard]] const RecoveryReport& report() const { return survey_.report; }
    [[nodiscard]] std::size_t size() const { return order_.size(); }

    void add_to(Index& index) const;
    // What each segment is needed for.
    [[nodiscard]] std::vector<SegmentCount> take_counts() { return std::move(counts_); }

    // The next ones in the order of their due times; empty after the last.
    [[nodiscard]] std::vector<QueuedMessage> next(std::size_t count_max);

private:
    static constexpr std::uint32_t no_entry = 0xffffffff;
    // A queued message: the entries of the digests that describe it.
    struct Found {
        MessageId id = 0;
        std::uint64_t enqueue_lsn = 0;
        std::uint64_t state_lsn = 0;
        std::uint32_t enqueue_digest = 0;
        std::uint32_t enqueue_at = no_entry;
        std::uint32_t state_digest = 0;
        std::uint32_t state_at = no_entry;
    };
    using FoundHandle = mta::Handle<Found>;
    // A STATE of some recipients, newer than the one of all.
    struct Delta {
        FoundHandle slot;
        std::uint32_t digest = 0;
        std::uint32_t at = no_entry;
        std::uint64_t lsn = 0;
    };
    // An older copy of an ENQ, as long as it is not known whether the newest one is whole.
    struct OlderCopy {
        MessageId id = 0;
        std::uint64_t lsn = 0;
        std::uint32_t digest = 0;
        std::uint32_t at = 0;
    };

    bool read_digests(unsigned threads, const std::atomic<bool>& stop);
    StoreResult<Digest> digest_of(Survey::Segment& segment, RecoveryReport& report);
    void collect_dones(const std::atomic<bool>& stop);
    void collect_messages(const std::atomic<bool>& stop);
    void collect_states(const std::atomic<bool>& stop);
    [[nodiscard]] bool is_new_number(const Digest::Peek& peek);
    void check_file_ends();
    void check_bodies();
    bool use_older_copy(Found& found, const std::function<bool(const Found&)>& is_whole);
    void count();
    void sort_by_due();
    [[nodiscard]] Location place_of(std::uint32_t digest, std::uint32_t at) const;
    [[nodiscard]] std::span<const Delta> deltas_of(FoundHandle slot) const;
    [[nodiscard]] std::vector<RecipientState> states_of(FoundHandle slot) const;
    [[nodiscard]] mta::Instant due_of(FoundHandle slot) const;
    [[nodiscard]] std::vector<SegmentBytes> bodies_of(const Found& found) const;
    void quarantine_message(const Found& found, const std::vector<ChunkRef>& chunks);
    [[nodiscard]] Found* find(MessageId id);

    Disk& disk_;
    Survey survey_;
    std::optional<StoreError> error_;
    std::vector<Digest> digests_;       // by segment
    std::vector<char> is_digest_read_;  // by segment; not bool: several threads set them
    IdSet done_;
    Slab<Found> found_;
    std::vector<Delta> deltas_;  // by slot and lsn
    IdIndex<FoundHandle> by_id_;
    std::vector<OldHome> old_homes_;
    std::vector<OlderCopy> older_copies_;
    std::unordered_set<std::uint64_t> numbers_;  // of the segments
    // Messages that cannot be delivered any more, and why.
    std::unordered_map<MessageId, std::string> damaged_;
    std::vector<SegmentCount> counts_;
    std::vector<FoundHandle> order_;
    std::size_t handed_over_ = 0;
};

}  // namespace queue::segment_log
