#pragma once
#include <expected>
#include <span>
#include <string>

#include "mta/cli/invocation.h"

namespace mta::cli {

// No command is to be run: print `text` and leave. For --help and --version with exit_fine (to
// stdout), for a mistake with exit_usage (to stderr).
struct EarlyExit {
    int exit_status = exit_usage;
    std::string text;  // with its line end
};

// `arguments` is argv, argv[0] included. A word that selects mail is told by its form: an address
// has an '@', a domain a '.', anything else is a queue id.
[[nodiscard]] std::expected<Invocation, EarlyExit> parse_command_line(
    std::span<const char* const> arguments);

}  // namespace mta::cli
