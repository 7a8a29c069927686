#pragma once
#include <string>

#include "conf/settings.h"
#include "mta/cli/invocation.h"

namespace mta::cli {

// What a command has to say, and its exit status. Texts end with a line end or are empty.
struct CommandOutput {
    int exit_status = exit_fine;
    std::string out;  // for stdout
    std::string err;  // for stderr
};

// `posthouse check`: reads the configuration and changes nothing. All mistakes (on stderr, exit 1)
// or a summary of what the relay would do, with conf::advice(). With --json one object on stdout:
// {"fine": bool, "problems": [{file, line, column, key, what}], "advice": [string]}.
[[nodiscard]] CommandOutput check(const Invocation& invocation);

// The summary alone: who may send what, where it goes. Several lines.
[[nodiscard]] std::string summary(const conf::Settings& settings);

}  // namespace mta::cli
