#pragma once
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>

namespace mta::io {

// Counts the sockets of a loop that nobody owns any more and that stay open for a moment, so that
// the peer gets our last words and no reset (ByteStream::finish()). Each is a file descriptor, and
// a crowd of strangers can make as many as there are: beyond `max` a socket is closed at once.
class Lingering {
public:
    static constexpr std::uint32_t default_max = 256;

    void set_max(std::uint32_t max) { max_ = max; }
    // True: counted until leave(); `close` must make it leave.
    [[nodiscard]] bool enter(const void* who, std::function<void()> close) {
        if (count() >= max_) return false;
        return closers_.emplace(who, std::move(close)).second;
    }
    void leave(const void* who) { closers_.erase(who); }
    // Those that linger are closed now, and no other begins to: everything else has ended.
    void end() {
        max_ = 0;
        for (auto& [who, close] : std::exchange(closers_, {})) close();
    }
    // Connections that were never served get half of the places, so that a flood of them leaves
    // the rest to those whose last words are replies to mail.
    [[nodiscard]] bool has_room_for_refused() const { return count() < max_ / 2; }
    [[nodiscard]] std::uint32_t count() const {
        return static_cast<std::uint32_t>(closers_.size());
    }

private:
    std::uint32_t max_ = default_max;
    std::unordered_map<const void*, std::function<void()>> closers_;
};

}  // namespace mta::io
