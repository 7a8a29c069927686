#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/mutex.h"
#include "queue/store.h"

namespace queue::segment_log {

// Why the log refuses new mail, if it does, and what the administrator should know. Any thread may
// call it.
class LogCondition {
public:
    // Several may hold at a time; refusal() returns the reason of the first one.
    enum class Trouble : std::uint8_t {
        broken,     // a write or sync failed: nothing is written any more, for good
        full,       // a write found no room: no mail is accepted, outcomes are still written
        stalled,    // nothing can be written for now
        low_space,  // little is free on the disk: no mail is accepted
    };

    // A broken log stays broken, and keeps the first reason.
    void set(Trouble trouble, StoreError why);
    void clear(Trouble trouble);
    [[nodiscard]] bool has(Trouble trouble) const { return has_[index(trouble)]; }
    [[nodiscard]] std::optional<StoreError> reason(Trouble trouble) const;
    [[nodiscard]] std::optional<StoreError> refusal() const;

    void add_note(std::string text);
    // Returns each note once.
    [[nodiscard]] std::vector<std::string> take_notes();

private:
    static constexpr std::size_t trouble_count = 4;
    static std::size_t index(Trouble trouble) { return static_cast<std::size_t>(trouble); }

    std::array<std::atomic<bool>, trouble_count> has_{};
    mutable mta::Mutex mutex_;
    std::array<std::optional<StoreError>, trouble_count> reasons_ GUARDED_BY(mutex_);
    std::vector<std::string> notes_ GUARDED_BY(mutex_);
};

}  // namespace queue::segment_log
