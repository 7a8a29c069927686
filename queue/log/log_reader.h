#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "queue/log/index.h"
#include "queue/log/payload.h"
#include "queue/log/segments.h"
#include "queue/store.h"

namespace queue::log {

// Reads messages back. Any thread, beside the writer; what is finished meanwhile is not_found.
class LogReader {
public:
    // All must outlive it.
    LogReader(Disk& disk, const Index& index, const Segments& segments)
        : disk_(disk), index_(index), segments_(segments) {}

    // With the states as they were at first, if the newest STATE is damaged: a message is not lost
    // for that, and while the relay runs the states are known without it.
    [[nodiscard]] StoreResult<StoredMessage> read_message(MessageId id);
    [[nodiscard]] StoreResult<std::string> read_body(MessageId id, std::uint64_t offset,
                                                     std::uint32_t length);

    // For compaction.
    StoreResult<EnqueuePayload> read_enqueue(MessageId id);
    // Of all recipients, as the STATEs say together; none: there is no STATE yet. Damage in one of
    // them is an error here.
    StoreResult<std::vector<RecipientState>> read_states(MessageId id);
    StoreResult<std::string> read_chunk(MessageId id, const ChunkRef& chunk);

    // Reads that met damage.
    [[nodiscard]] std::uint64_t damaged() const { return damaged_; }

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

    StoreResult<Loaded> read_record(const Location& where, RecordType type);
    StoreResult<StoredMessage> read_once(MessageId id, const LiveMessage& live);
    struct State {
        std::uint64_t lsn = 0;
        StateChanges changes;
    };
    StoreResult<State> read_state(MessageId id, const Location& where);
    // Of those STATEs that count, in their order.
    enum class Damaged : std::uint8_t { passed_over, is_an_error };
    StoreResult<std::vector<State>> read_all_states(MessageId id, const LiveMessage& live,
                                                    Damaged damaged);
    // Has the bytes kept in quarantine/, once in the log's life: who takes them away has seen them.
    StoreError damage(const Location& where, std::string_view bytes);

    Disk& disk_;
    const Index& index_;
    const Segments& segments_;
    std::atomic<std::uint64_t> damaged_ = 0;
    std::mutex kept_mutex_;
    std::set<std::pair<std::uint64_t, std::uint32_t>> kept_;  // segment and offset
};

}  // namespace queue::log
