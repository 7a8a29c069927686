#pragma once
#include <cstdint>
#include <istream>
#include <ostream>

#include "mta/base/time.h"
#include "mta/cli/invocation.h"

namespace mta::cli {

// The streams of a command and the terminal behind them, so that a test can take their place. The
// streams outlive it.
struct CommandIo {
    std::ostream& out;
    std::ostream& err;
    std::istream& in;
    mta::Instant now;
    bool is_terminal = false;     // of `in` and `out`: the command may ask questions
    bool shows_progress = false;  // `err` is a terminal
    std::uint32_t columns = 80;   // of the terminal; 0: a file or a pipe, lines are not shortened
};

}  // namespace mta::cli
