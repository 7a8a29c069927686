#pragma once
#include <cstdint>
#include <istream>
#include <ostream>

#include "mta/base/time.h"
#include "mta/cli/invocation.h"

namespace mta::cli {

// What a command reads and writes, so that a test can be the terminal. The streams outlive it.
struct CommandIo {
    std::ostream& out;
    std::ostream& err;
    std::istream& in;
    mta::Instant now;
    bool is_terminal = false;     // `in` and `out` are one: questions may be asked
    bool shows_progress = false;  // `err` is a terminal
    std::uint32_t columns = 80;   // of the terminal; 0: do not shorten lines (a file, a pipe)
};

}  // namespace mta::cli
