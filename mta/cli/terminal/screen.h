#pragma once
#include <termios.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "mta/base/time.h"

namespace mta::cli {

// The terminal while a command uses all of it: a screen of its own, and keys that arrive without
// the Enter key. The destructor restores the former state.
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
    // Replaces what is shown. Lines that do not fit are left out.
    void show(std::string_view text);
    // Waits for a key, at most `patience`, and only until the descriptor `interrupt` becomes
    // readable (-1: there is none). Empty if no key came, or if the terminal has gone (has_gone()).
    [[nodiscard]] std::optional<char> key(Millis patience, int interrupt);
    [[nodiscard]] bool has_gone() const { return has_gone_; }

private:
    termios before_{};
    bool is_raw_ = false;
    bool has_gone_ = false;
};

}  // namespace mta::cli
