#include "mta/cli/remote/why_command.h"

#include "mta/cli/json_members.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {

int run_why(const ApiClient& api, const WhyOptions& options, CommandIo& io) {
    const auto answer = api.get("/v1/why/" + ApiClient::escape(options.what));
    if (!answer) return fail(io, answer.error());
    const auto& found = member_of(*answer, "found");
    const int status = found.is_boolean() && found.get<bool>() ? exit_fine : exit_failed;
    if (options.json) {
        write_json(io.out, *answer);
        return status;
    }
    for (const auto& line : list_of(*answer, "lines")) {
        if (line.is_string()) write_wrapped(io.out, line.get<std::string>(), io.columns);
    }
    return status;
}

}  // namespace mta::cli
