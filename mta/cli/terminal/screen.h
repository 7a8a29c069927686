#pragma once
#include <termios.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "mta/base/time.h"

namespace mta::cli {

// The terminal while a command has it for itself: a screen of its own, and keys that come without
// the Enter key. The end restores what was there.
class Screen {
public:
    Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    ~Screen();

    struct Size {
        std::uint32_t rows = 24;
        std::uint32_t columns = 80;
    };
    [[nodiscard]] static Size size();
    // In place of what was shown before. Lines beyond the screen's are left out.
    void show(std::string_view text);
    // Waits for a key, but no longer than that, nor when `interrupt`, a descriptor, becomes
    // readable (negative: there is none). Nothing: none came, or the terminal has gone (then
    // has_gone()).
    [[nodiscard]] std::optional<char> key(Millis patience, int interrupt);
    [[nodiscard]] bool has_gone() const { return has_gone_; }

private:
    termios before_{};
    bool is_raw_ = false;
    bool has_gone_ = false;
};

}  // namespace mta::cli
