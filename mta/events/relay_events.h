#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "mta/base/time.h"

namespace mta::events {

// The relay accepts new mail.
struct Ready {
    std::string version;
    std::string hostname;
    std::vector<std::string> listening;  // addresses
};

// A sentence about settings that are allowed and seldom intended.
struct Advice {
    std::string text;
};

struct Reloaded {
    std::string config;  // path
};

// One error in the configuration that was to be loaded. ReloadRefused follows the last one.
struct ReloadProblem {
    std::string problem;
};

struct ReloadRefused {
    std::string config;  // path
};

// An operator changed messages in the queue.
struct Ordered {
    std::string what;
    std::uint64_t messages = 0;
    std::uint64_t recipients = 0;
};

struct ClockLeapt {
    Millis by{};
};

// A name server sent records that are not valid.
struct BrokenRecords {
    std::uint64_t dropped = 0;  // of the last answer
    std::string text;           // about them
    std::uint64_t answers = 0;  // with such records, since the event before this one
};

// A signal stops the relay: no new mail, and an end to what is under way.
struct Draining {
    std::string signal;
    Millis patience{};
};

struct Stopped {
    int exit_status = 0;
};

}  // namespace mta::events
