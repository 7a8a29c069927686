#pragma once

namespace mta::cli {

// Exit statuses of every command.
inline constexpr int exit_fine = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

}  // namespace mta::cli
