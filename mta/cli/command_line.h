#pragma once
#include <expected>
#include <span>
#include <string>

#include "mta/cli/invocation.h"

namespace mta::cli {

// There is no command to run: the process writes `text` and ends. For --help and --version the
// status is exit_fine and the text goes to stdout; for a mistake exit_usage and stderr.
struct EarlyExit {
    int exit_status = exit_usage;
    std::string text;  // with its line end
};

// `arguments` is argv with argv[0]. The form of a word that selects mail says what it is: an
// address has an '@', a domain has a '.', and all others are queue ids.
[[nodiscard]] std::expected<Invocation, EarlyExit> parse_command_line(
    std::span<const char* const> arguments);

}  // namespace mta::cli
