#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "queue/message.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/segments/housekeeping.h"
#include "queue/segment_log/segments/index.h"
#include "queue/segment_log/segments/log_options.h"
#include "queue/segment_log/segments/segment_files.h"

namespace queue::segment_log {

// What each segment in seg/ is still needed for. Only the writer uses it; any thread may call the
// last functions.
//
// A segment is needed while it holds a record of a queued message, or a DONE whose message's home
// segment still exists: without that DONE the next start would bring the finished message back. So
// a home goes first, for certain, and its DONEs later. Where only DONEs are left, they are written
// again (dones_to_carry). Where little else is left, Compaction copies it out.
//
// Nothing is moved away before hold_back(false): while old mail is being loaded, it is not known
// what an old segment is needed for.
class SegmentUses {
public:
    // All must outlive it.
    SegmentUses(const LogOptions& options, SegmentFiles& files, Housekeeping& housekeeping)
        : options_(options), files_(files), housekeeping_(housekeeping) {}
    SegmentUses(const SegmentUses&) = delete;
    SegmentUses& operator=(const SegmentUses&) = delete;
    ~SegmentUses() = default;

    // ---- which segments there are ----
    struct Segment {
        std::uint64_t number = 0;
        Generation generation;
        std::uint64_t end = 0;         // of its records
        std::uint64_t file_bytes = 0;  // written, or only made ready
    };
    // A closed segment, found at start.
    void adopt(const Segment& segment);
    void hold_back(bool is_held_back) { is_held_back_ = is_held_back; }
    // A segment that is being written: it stays until it is closed.
    void open(const Segment& segment);
    void resize(std::uint64_t number, std::uint64_t end, std::uint64_t file_bytes);
    void close(std::uint64_t number);
    [[nodiscard]] bool contains(std::uint64_t number) const { return uses_.contains(number); }

    // ---- what is needed ----
    void add_live(const SegmentBytes& more);
    void drop_live(const SegmentBytes& fewer);
    // Has no effect if its home is that same segment, or has gone.
    void add_done(std::uint64_t number, const DoneMark& done);
    // DONEs that must be written again before their segments can go. The list does not change until
    // carried() reports that they are certain. DONEs are carried only out of a segment that has
    // freed_bytes_per_carried times as many bytes as are written for them.
    [[nodiscard]] const std::vector<DoneMark>& dones_to_carry() const { return to_carry_; }
    void carried();
    static constexpr std::uint64_t carried_bytes = aligned(record_header_bytes + done_bytes);
    static constexpr std::uint64_t freed_bytes_per_carried = 4;
    // Hands what is no longer needed to housekeeping, and returns the segments that have gone for
    // certain. What could not be moved stays until the next start and endangers nothing. Costs no
    // more than what has changed since the last call, however many DONEs there are.
    std::vector<std::uint64_t> recycle();

    // ---- compaction ----
    struct Victim {
        std::uint64_t number = 0;
        std::uint64_t end = 0;
        std::uint64_t live_bytes = 0;
    };
    // The closed segment from which copying gains most, if any is worth it: under a quarter of it
    // is live and it is not among the youngest; or all of them take more than twice what is live,
    // and some segments. Where room is scarce (`scarce_room` is how much is left; 0: it is not),
    // also any of which a quarter is dead and whose copies leave a quarter of that room. Walks over
    // all segments.
    [[nodiscard]] std::optional<Victim> choose_victim(std::uint64_t scarce_room) const;
    // To be called when all that can be copied out of it was copied. Returns the live bytes that
    // are left in it.
    std::uint64_t mark_compacted(std::uint64_t number);

    // ---- for all threads ----
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] std::uint64_t live_bytes() const { return live_bytes_; }

private:
    // open -> kept -> retiring -> (gone) or stuck
    //         kept <-> carried
    enum class Fate : std::uint8_t {
        open,      // is being written
        kept,      // closed; stays as long as it is needed
        carried,   // its DONEs are in to_carry_
        retiring,  // housekeeping has it
        stuck,     // could not be moved away: stays until the next start
    };
    struct Use {
        std::uint64_t end = 0;
        std::uint64_t file_bytes = 0;
        std::uint64_t live_bytes = 0;
        // The messages that end in it, by the segments that would bring them back.
        std::map<std::uint64_t, std::vector<MessageId>> dones;
        std::uint64_t done_count = 0;
        Fate fate = Fate::kept;
        std::uint64_t live_after_compaction = 0;  // could not be copied: no use to try again
    };

    void insert(const Segment& segment, Fate fate);
    // Makes recycle() look at a segment that may be able to go now.
    void look_at(std::uint64_t number);
    // Returns false if the segment has to be looked at again.
    bool let_go(std::uint64_t number);
    bool carry(std::uint64_t number, Use& use);
    bool retire(std::uint64_t number, Use& use);
    std::vector<std::uint64_t> settle_retired();
    void forget_home(std::uint64_t home);
    void forget_dones(std::uint64_t number, Use& use);
    [[nodiscard]] std::uint64_t newest_open() const;

    const LogOptions& options_;
    SegmentFiles& files_;
    Housekeeping& housekeeping_;
    bool is_held_back_ = false;

    std::map<std::uint64_t, Use> uses_;
    std::map<std::uint64_t, std::set<std::uint64_t>> done_holders_;  // by the DONEs' home
    std::set<std::uint64_t> to_look_at_;
    bool is_recycling_due_ = false;
    std::vector<DoneMark> to_carry_;
    std::vector<std::uint64_t> carried_from_;
    std::uint64_t file_bytes_ = 0;  // of all segments

    std::atomic<std::uint64_t> count_ = 0;
    std::atomic<std::uint64_t> bytes_ = 0;
    std::atomic<std::uint64_t> live_bytes_ = 0;
};

}  // namespace queue::segment_log
