#include "queue/segment_log/format/digest_check.h"

#include <cstdint>
#include <utility>

#include "queue/bytes.h"
#include "queue/message.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/state_fields.h"

namespace queue::segment_log {
namespace {

class EntryCheck {
public:
    EntryCheck(std::string_view entries, std::size_t string_count)
        : in_(entries), string_count_(string_count) {}

    bool run() {
        while (in_.ok() && in_.left() > 0) check_entry();
        return in_.ok();
    }

private:
    void require(bool is_so) {
        if (!is_so) in_.fail();
    }
    void string() { require(in_.take<std::uint32_t>() < string_count_); }
    void check_entry() {
        const auto type = static_cast<RecordType>(in_.take<std::uint8_t>());
        require(in_.take<std::uint32_t>() % record_alignment == 0);
        require(in_.take<std::uint32_t>() % record_alignment == 0);
        const auto id = in_.take<std::uint64_t>();
        require(id != 0 && id <= message_id_max);
        switch (type) {
            case RecordType::enqueue: return check_enqueue();
            case RecordType::state: return check_state();
            case RecordType::done: in_.take<std::uint64_t>(); return;
            case RecordType::body: return;
            case RecordType::batch: break;
        }
        in_.fail();
    }
    void check_enqueue() {
        in_.take_bytes(3 * sizeof(std::uint64_t));  // lsn, arrival, size
        string();                                   // sender
        string();                                   // requests
        in_.take<std::uint32_t>();
        for (auto left = in_.take<std::uint32_t>(); left > 0 && in_.ok(); --left) {
            string();  // domain
            in_.take_bytes(4 + 1);
        }
        constexpr std::uint64_t chunk_bytes = 8 + 4 + 4 + 4;
        in_.take_bytes(in_.take<std::uint32_t>() * chunk_bytes);
    }
    void check_state() {
        in_.take<std::uint64_t>();  // lsn
        const auto recipients = in_.take<std::uint32_t>();
        for (auto left = in_.take<std::uint32_t>(); left > 0 && in_.ok(); --left) {
            require(in_.take<std::uint32_t>() < recipients);
            [[maybe_unused]] const auto state = take_state_fields(in_);
            string();  // text
            string();  // remote
        }
    }

    ByteReader in_;
    std::size_t string_count_;
};

}  // namespace

bool are_entries_sound(std::string_view entries, std::size_t string_count) {
    return EntryCheck(entries, string_count).run();
}

}  // namespace queue::segment_log
