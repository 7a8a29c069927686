#pragma once
#include <string>

#include "conf/settings.h"
#include "mta/cli/invocation.h"

namespace mta::cli {

// The output of a command and its exit status. A text ends with a line end or is empty.
struct CommandOutput {
    int exit_status = exit_fine;
    std::string out;  // for stdout
    std::string err;  // for stderr
};

// Runs `posthouse check`: reads the configuration and changes nothing. The output is every mistake
// (on stderr, exit status 1) or a summary of what the relay would do, with conf::advice(). With
// --json it is one object on stdout:
// {"fine": bool, "problems": [{file, line, column, key, what}], "advice": [string]}.
[[nodiscard]] CommandOutput check(const Invocation& invocation);

// Only the summary, in several lines: which clients may send what, and where the mail goes.
[[nodiscard]] std::string summary(const conf::Settings& settings);

}  // namespace mta::cli
