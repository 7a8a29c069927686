#pragma once
#include <cstdint>
#include <string>

#include "mta/cli/exit_status.h"

namespace mta::cli {

enum class Command : std::uint8_t {
    serve,
    check,
    queue,
    why,
    flush,
    hold,
    release,
    cancel,
    status,
};

inline constexpr const char* default_config_path = "/etc/posthouse/posthouse.toml";

// What the command line asked for, checked for form: made by parse_command_line(). Members that a
// command does not have are at their defaults.
struct Invocation {
    Command command = Command::serve;
    std::string config_path = default_config_path;
    bool json = false;  // all but serve

    // why, hold, release, cancel: a queue id in lower case, an address (it has an '@') or a domain
    // (it has a '.') in the form of mta::to_a_labels(); never empty. flush: a domain, or empty for
    // every destination.
    std::string subject;
    bool yes = false;  // cancel: do not ask

    // queue: what is given must all hold; what is empty does not matter.
    struct Queue {
        std::string id;
        std::string from;           // an address; "<>" is the null sender
        std::string to;             // an address
        std::string domain;         // of a recipient, in the form of mta::to_a_labels()
        std::string state;          // "queued", "delivering", "held" or "in_doubt"
        std::uint32_t limit = 100;  // messages; 0: all, which is the default with `json`
        bool operator==(const Queue&) const = default;
    };
    Queue queue;

    bool operator==(const Invocation&) const = default;
};

}  // namespace mta::cli
