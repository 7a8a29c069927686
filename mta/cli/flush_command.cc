#include "mta/cli/flush_command.h"

#include "mta/cli/answer.h"
#include "mta/cli/table.h"

namespace mta::cli {

int run_flush(const ApiClient& api, const FlushOptions& options, CommandIo& io) {
    auto body = nlohmann::json::object();
    if (!options.domain.empty()) body["domain"] = options.domain;
    const auto answer = api.post("/v1/flush", body);
    if (!answer) return fail(io, answer.error());
    if (options.json) {
        write_json(io.out, *answer);
        return exit_fine;
    }
    const auto recipients = number_of(*answer, "recipients");
    const auto where = options.domain.empty() ? std::string() : " for " + printable(options.domain);
    if (recipients == 0) {
        io.out << "Nothing was waiting" << where << ".\n";
    } else {
        io.out << plural(recipients, "recipient") << where << (recipients == 1 ? " is" : " are")
               << " tried now.\n";
    }
    return exit_fine;
}

}  // namespace mta::cli
