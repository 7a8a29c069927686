#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mta/base/mutex.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/segments/index.h"
#include "queue/segment_log/segments/log_options.h"
#include "queue/segment_log/segments/segment_files.h"
#include "queue/store.h"

namespace queue::segment_log {

// Reads messages back. Any thread may call it while the writer writes. Compaction may move a
// message while it is being read; the read then starts again at the new place. So not_found means
// that the message is finished or, with a text of its own, that a segment is missing which the
// index needs.
class LogReader {
public:
    // All must outlive it.
    LogReader(Disk& disk, const Index& index, const SegmentFiles& files)
        : disk_(disk), index_(index), files_(files) {}

    // If the newest STATE is damaged, the states are those of new mail: the message is not lost for
    // that, and while the relay runs the states are known without it.
    [[nodiscard]] StoreResult<StoredMessage> read_message(MessageId id);
    // Pieces of a large body are read with one copy; its ENQ, which says where they are, is read
    // once for as long as the message is among the last layouts_max that were read.
    [[nodiscard]] StoreResult<std::string> read_body(MessageId id, std::uint64_t offset,
                                                     std::uint32_t length);
    static constexpr std::size_t layouts_max = 16;

    // For compaction.
    StoreResult<EnqueuePayload> read_enqueue(MessageId id);
    // The states of all recipients, as the STATEs say together. Empty if there is no STATE yet.
    // Damage in one of them is an error here.
    StoreResult<std::vector<RecipientState>> read_states(MessageId id);
    StoreResult<std::string> read_chunk(MessageId id, const ChunkRef& chunk);

    // Reports that compaction could not copy everything that is needed out of a segment.
    void keep_uncopied(std::uint64_t segment, std::uint64_t bytes);

    // The number of reads that met damage.
    [[nodiscard]] std::uint64_t damaged() const { return damaged_; }
    // Where it was met, each place once; only grows.
    [[nodiscard]] std::vector<RecoveryReport::Damage> damages() const;

private:
    struct Loaded {
        std::string bytes;  // the whole record, found whole
        std::size_t payload_bytes = 0;
        std::uint16_t version = 0;
        std::uint64_t lsn = 0;

        [[nodiscard]] std::string_view payload() const {
            return std::string_view(bytes).substr(record_header_bytes, payload_bytes);
        }
    };

    // Where the pieces of a large body are, as a certain ENQ of its message says.
    struct Layout {
        MessageId id = 0;
        Location enqueue;
        std::string added_header;
        std::vector<ChunkRef> chunks;
    };

    // Calls `read` with the message's places, again if they changed meanwhile.
    template <class Read>
    auto read_where_it_is(MessageId id, const Read& read)
        -> decltype(read(std::declval<LiveMessage>()));
    StoreResult<std::vector<RecipientState>> read_states_at(MessageId id, const LiveMessage& live);
    StoreResult<EnqueuePayload> read_enqueue_at(MessageId id, const Location& where);
    [[nodiscard]] std::shared_ptr<const Layout> known_layout(MessageId id, const Location& enqueue);
    StoreResult<std::string> read_body_at(MessageId id, const Location& enqueue,
                                          std::uint64_t offset, std::uint32_t length);
    StoreResult<std::string> read_pieces(const Layout& layout, std::uint64_t offset,
                                         std::uint32_t length);
    StoreResult<Loaded> read_piece(MessageId id, const ChunkRef& chunk);
    StoreResult<Loaded> read_record(const Location& where, RecordType type);
    StoreResult<StoredMessage> read_once(MessageId id, const LiveMessage& live);
    StoreResult<Message> read_envelope(MessageId id, const Location& where);
    struct State {
        std::uint64_t lsn = 0;
        StateChanges changes;
    };
    StoreResult<State> read_state(MessageId id, const Location& where);
    // The STATEs that count, in their order.
    enum class Damaged : std::uint8_t { passed_over, is_an_error };
    StoreResult<std::vector<State>> read_all_states(MessageId id, const LiveMessage& live,
                                                    Damaged damaged);
    // Keeps the bytes in quarantine/, once in the log's life: if the administrator removes them,
    // they are not copied again.
    StoreError damage(const Location& where, std::string_view bytes);

    Disk& disk_;
    const Index& index_;
    const SegmentFiles& files_;
    std::atomic<std::uint64_t> damaged_ = 0;
    mutable mta::Mutex kept_mutex_;
    // Segment and offset of what is in quarantine/, and of what was met.
    std::set<std::pair<std::uint64_t, std::uint32_t>> kept_ GUARDED_BY(kept_mutex_);
    std::set<std::pair<std::uint64_t, std::uint32_t>> met_places_ GUARDED_BY(kept_mutex_);
    std::vector<RecoveryReport::Damage> met_ GUARDED_BY(kept_mutex_);
    mta::Mutex layouts_mutex_;
    // The one read last is in front.
    std::deque<std::shared_ptr<const Layout>> layouts_ GUARDED_BY(layouts_mutex_);
};

}  // namespace queue::segment_log
