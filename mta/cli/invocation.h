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

// The actions of `posthouse spool`, on the files of the spool and without the relay.
enum class SpoolAction : std::uint8_t { ls, cat, verify, export_files, import_files };

struct SpoolRequest {
    SpoolAction action = SpoolAction::ls;
    std::string path;              // the folder of the spool; empty: that of the configuration
    std::string folder;            // export, import: that of the .eml and .json files
    std::vector<std::string> ids;  // export: only these messages; in lower case
    bool raw = false;              // cat: only the message
    bool all = false;              // ls: finished messages too
    bool keep = false;             // import: leave the files as they are

    bool operator==(const SpoolRequest&) const = default;
};

inline constexpr const char* default_config_path = "/etc/posthouse/posthouse.toml";

// Which messages a command is about. A message must match every part that is not empty.
struct Filter {
    std::string id;         // a queue id as the log and `queue` show it, in lower case
    std::string sender;     // an address; "<>" is the null sender, "@them.example" all of a domain
    std::string recipient;  // an address
    // Of a recipient, in the form of mta::to_a_labels(); ".suffix" is a domain's subtree.
    std::string domain;
    std::string state;  // "queued", "delivering", "held" or "in_doubt"
    // The spool commands do not have these:
    std::string message_id;  // the value of the Message-ID field
    std::string host;        // part of the name of a destination or of the host that failed
    std::string older;       // ages: "90s", "2d"
    std::string younger;
    std::string larger;  // sizes: "10kB"
    std::string smaller;
    std::string reply;  // part of the last reply

    [[nodiscard]] bool is_empty() const { return *this == Filter{}; }
    // Whether some recipients of a message may match and others not.
    [[nodiscard]] bool is_about_recipients() const {
        return !recipient.empty() || !domain.empty() || !state.empty() || !host.empty() ||
               !reply.empty();
    }
    bool operator==(const Filter&) const = default;
};

// How `queue` shows the messages that it finds.
struct QueueQuestion {
    std::string sort;  // "age", "size", "next", "attempts", "sender", "destination"; empty: age
    bool reverse = false;
    std::string by;      // groups: "destination", "domain", "sender", "reason", "state"
    bool count = false;  // only the number of messages

    bool operator==(const QueueQuestion&) const = default;
};

// What the command line asks for; parse_command_line() makes it and checks the form of all values.
// Members that a command does not have are at their defaults. The order is that of reading,
// although another one would save some bytes.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct Invocation {
    Command command = Command::serve;
    std::string config_path = default_config_path;
    bool json = false;  // all commands but serve

    // why: a queue id in lower case, an address or a Message-ID (it has an '@' or begins with '<'),
    // a domain (it has a '.') in the form of mta::to_a_labels(), or an address literal. trace: an
    // address or a domain. Empty for all other commands only.
    std::string subject;

    // queue, flush: an empty filter means everything. hold, release, cancel, bounce: it is empty
    // only with --all.
    Filter filter;
    std::uint32_t limit = 100;  // queue: of messages; 0: all, which is the default with `json`
    QueueQuestion question;     // queue
    // hold, release, flush, cancel, bounce:
    bool all = false;
    bool yes = false;  // do not ask
    bool dry_run = false;
    std::string reason;                  // bounce
    std::uint32_t count = 0;             // trace: attempts; 0: no end
    std::optional<mta::Millis> timeout;  // trace: empty: no end
    bool once = false;                   // top: no screen of its own
    SpoolRequest spool;                  // uses `filter` too; cat: that has an id

    bool operator==(const Invocation&) const = default;
};

}  // namespace mta::cli
