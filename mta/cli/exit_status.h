#pragma once

namespace mta::cli {

// The exit statuses of all commands.
inline constexpr int exit_fine = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

}  // namespace mta::cli
