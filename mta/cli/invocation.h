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

// Which messages a command is about. What is given must all hold; what is empty does not matter.
struct Filter {
    std::string id;         // a queue id as the log and `queue` show it, lower case
    std::string sender;     // an address; "<>" is the null sender
    std::string recipient;  // an address
    std::string domain;     // of a recipient, in the form of mta::to_a_labels()
    std::string state;      // "queued", "delivering", "held" or "in_doubt"

    [[nodiscard]] bool is_empty() const { return *this == Filter{}; }
    bool operator==(const Filter&) const = default;
};

// What the command line asked for, checked for form: made by parse_command_line(). Members that a
// command does not have are at their defaults.
struct Invocation {
    Command command = Command::serve;
    std::string config_path = default_config_path;
    bool json = false;  // all but serve

    // why: a queue id in lower case, an address (it has an '@') or a domain (it has a '.') in the
    // form of mta::to_a_labels(); never empty. flush: a domain, or empty for every destination.
    std::string subject;

    Filter filter;  // queue: may be empty, which is everything. hold, release, cancel: never empty
    std::uint32_t limit = 100;  // queue: messages; 0: all, which is the default with `json`
    bool yes = false;           // cancel: do not ask

    bool operator==(const Invocation&) const = default;
};

}  // namespace mta::cli
