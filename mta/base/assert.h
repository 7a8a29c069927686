#pragma once

namespace mta {

// Writes one line to stderr and aborts: a programmer's error, in release builds too. What is on
// disk is intact by design (the log's recovery), so stopping is always better than going on with a
// broken invariant.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace mta

#define MTA_ASSERT(condition)               \
    (static_cast<bool>(condition) ? void(0) \
                                  : ::mta::assertion_failed(#condition, __FILE__, __LINE__))
