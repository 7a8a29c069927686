#pragma once
#include <cstdint>

namespace mta::io {

// Counts the sockets of a loop that have no owner any more and stay open for a moment, so that the
// peer gets the last reply and no reset (ByteStream::finish()). Each is a file descriptor, and
// clients can make as many as they like: beyond `max` a socket is closed at once.
class Lingering {
public:
    static constexpr std::uint32_t default_max = 256;

    void set_max(std::uint32_t max) { max_ = max; }
    // Returns whether there is room; then the socket counts until leave().
    [[nodiscard]] bool enter() {
        if (count_ >= max_) return false;
        ++count_;
        return true;
    }
    void leave() { --count_; }
    // Connections that were never served get half of the places, so that a flood of them leaves
    // the rest to those whose last reply is about mail.
    [[nodiscard]] bool has_room_for_refused() const { return count_ < max_ / 2; }
    [[nodiscard]] std::uint32_t count() const { return count_; }

private:
    std::uint32_t max_ = default_max;
    std::uint32_t count_ = 0;
};

}  // namespace mta::io
