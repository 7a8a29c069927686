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
    bounce,
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
    std::string sender;     // an address; "<>" is the null sender, "@them.example" everybody there
    std::string recipient;  // an address
    std::string
        domain;         // of a recipient, in the form of mta::to_a_labels(); ".suffix": its subtree
    std::string state;  // "queued", "delivering", "held" or "in_doubt"
    // Not of the spool commands:
    std::string message_id;  // the Message-ID field's value
    std::string host;        // part of a destination's or failing host's name
    std::string older;       // ages: "90s", "2d"
    std::string younger;
    std::string larger;  // sizes: "10kB"
    std::string smaller;
    std::string reply;  // part of the last reply

    [[nodiscard]] bool is_empty() const { return *this == Filter{}; }
    // Whether some recipients of a message may be meant and others not.
    [[nodiscard]] bool is_about_recipients() const {
        return !recipient.empty() || !domain.empty() || !state.empty() || !host.empty() ||
               !reply.empty();
    }
    bool operator==(const Filter&) const = default;
};

// How `queue` shows what it finds.
struct QueueQuestion {
    std::string sort;  // "age", "size", "next", "attempts", "sender", "destination"; empty: age
    bool reverse = false;
    std::string by;      // groups: "destination", "domain", "sender", "reason", "state"
    bool count = false;  // only how much

    bool operator==(const QueueQuestion&) const = default;
};

// What the command line asked for, checked for form: made by parse_command_line(). Members that a
// command does not have are at their defaults.
// In the order in which they are read, whatever that costs in bytes.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct Invocation {
    Command command = Command::serve;
    std::string config_path = default_config_path;
    bool json = false;  // all but serve

    // why: a queue id in lower case, an address or a Message-ID (it has an '@' or begins with '<')
    // or a domain (it has a '.') in the form of mta::to_a_labels() or an address literal; never
    // empty. trace: an address or a domain.
    std::string subject;

    // queue, flush: may be empty, which is everything. hold, release, cancel, bounce: empty only if
    // that was asked for with --all.
    Filter filter;
    std::uint32_t limit = 100;  // queue: messages; 0: all, which is the default with `json`
    QueueQuestion question;     // queue
    // hold, release, flush, cancel, bounce:
    bool all = false;
    bool yes = false;  // do not ask
    bool dry_run = false;
    std::string reason;                  // bounce
    std::uint32_t count = 0;             // trace: attempts; 0: no end
    std::optional<mta::Millis> timeout;  // trace: nothing: no end
    bool once = false;                   // top: no screen of its own
    SpoolRequest spool;                  // its filter is `filter`; cat: with an id

    bool operator==(const Invocation&) const = default;
};

}  // namespace mta::cli
