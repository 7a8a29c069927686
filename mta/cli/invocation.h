#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/time.h"
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
    trace,
    top,
    spool,
};

// `posthouse spool`: work on the spool's files, without the relay.
enum class SpoolAction : std::uint8_t { ls, cat, verify, export_files, import_files };

struct SpoolRequest {
    SpoolAction action = SpoolAction::ls;
    std::string path;              // the spool's folder; empty: the configuration's
    std::string folder;            // export, import: of the .eml and .json files
    std::vector<std::string> ids;  // export: these only; lower case
    bool raw = false;              // cat: the message only
    bool all = false;              // ls: also what is finished
    bool keep = false;             // import: leave the files as they are

    bool operator==(const SpoolRequest&) const = default;
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
    // form of mta::to_a_labels(); never empty. trace: an address or a domain. flush: a domain, or
    // empty for every destination.
    std::string subject;

    Filter filter;  // queue: may be empty, which is everything. hold, release, cancel: never empty
    std::uint32_t limit = 100;  // queue: messages; 0: all, which is the default with `json`
    bool yes = false;           // cancel: do not ask
    std::uint32_t count = 0;    // trace: attempts; 0: no end
    std::optional<mta::Millis> timeout;  // trace: nothing: no end
    bool once = false;                   // top: no screen of its own
    SpoolRequest spool;                  // its filter is `filter`; cat: with an id

    bool operator==(const Invocation&) const = default;
};

}  // namespace mta::cli
