#pragma once
#include <cstdint>
#include <string>

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

// Exit statuses of every command.
inline constexpr int exit_fine = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

inline constexpr const char* default_config_path = "/etc/posthouse/posthouse.toml";

// Which messages or recipients a command is about. What is given must all hold; what is empty does
// not matter. All empty: everything (for `hold`, `release` and `cancel` only with --all, which the
// command line sees to).
struct Filter {
    std::string id;         // a queue id as the log and `queue` show it, lower case
    std::string sender;     // an address; "<>" is the null sender
    std::string recipient;  // an address
    std::string domain;     // of recipients, in the form of mta::to_a_labels()
    std::string state;      // "queued", "delivering", "held" or "in_doubt"

    [[nodiscard]] bool is_empty() const {
        return id.empty() && sender.empty() && recipient.empty() && domain.empty() && state.empty();
    }
    bool operator==(const Filter&) const = default;
};

// What the command line asked for, checked for form: made by parse_command_line().
struct Invocation {
    Command command = Command::serve;
    std::string config_path = default_config_path;
    bool json = false;  // for queue, why, status, check
    // queue, hold, release, cancel: as given. why: exactly one of id, recipient (an address: it may
    // be a sender's too) and domain. flush: `domain`, or empty for every destination.
    Filter filter;
    bool operator==(const Invocation&) const = default;
};

}  // namespace mta::cli
