#pragma once
#include <cstdint>
#include <string>

namespace mta::events {

struct SpoolOpened {
    std::string path;
    std::uint64_t segments = 0;
    bool has_torn_tail = false;  // the last write of the former process was cut
};

// All that was queued before the start is in memory.
struct SpoolLoaded {
    std::uint64_t queued = 0;  // messages
};

// A part of a segment cannot be read. Its bytes are kept in quarantine.
struct SpoolDamaged {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::string what;
    std::string kept_in;
};

// A sentence for the administrator.
struct SpoolNote {
    std::string text;
};

// The disk failed: the relay stops.
struct SpoolFailed {
    std::string path;
    std::string reason;
};

// What the next process should know of failing destinations could not be written.
struct HintsNotKept {
    std::string reason;
};

}  // namespace mta::events
