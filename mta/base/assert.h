#pragma once

namespace mta {

// Writes one line to stderr and aborts, in release builds too. Only an error of the programmer may
// reach it. The log's recovery copes with a stop at any moment, so stopping is always better than
// going on with a broken invariant.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace mta

#define MTA_ASSERT(condition)               \
    (static_cast<bool>(condition) ? void(0) \
                                  : ::mta::assertion_failed(#condition, __FILE__, __LINE__))
