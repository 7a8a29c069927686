#pragma once
#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "mta/outbound/destination/hint.h"
#include "queue/segment_log/disk/disk.h"

namespace mta::daemon {

// The bytes of the file "hints" in the spool: a line that says what it is, the hints, a checksum.
[[nodiscard]] std::string encode_hints(const outbound::Hints& hints);
// All or nothing: cut, changed, or of another version, they are no hints.
[[nodiscard]] std::optional<outbound::Hints> decode_hints(std::string_view bytes);

// Keeps hints in the spool's folder. To lose them is harmless, so nothing waits for them: they are
// written by a thread of their own, replace the former ones in one step, and are not synced.
class HintFile {
public:
    explicit HintFile(queue::segment_log::Disk& disk) : disk_(disk) {}
    HintFile(const HintFile&) = delete;
    HintFile& operator=(const HintFile&) = delete;
    // Waits for what is being written.
    ~HintFile() { wait(); }

    // Empty if there are none, or none that can be understood.
    [[nodiscard]] outbound::Hints read();
    // False: the last ones are still being written, and these are dropped.
    bool write(const outbound::Hints& hints);
    void wait();
    // Why the last writing failed; empty: it did not, or it has not ended.
    [[nodiscard]] std::string problem() const;

private:
    void replace(const std::string& bytes);

    queue::segment_log::Disk& disk_;
    std::thread writer_;
    std::atomic<bool> is_writing_ = false;
    std::string problem_;  // the writer's while is_writing_
};

}  // namespace mta::daemon
