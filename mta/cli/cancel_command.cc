#include "mta/cli/cancel_command.h"

#include <string>

#include "mta/cli/answer.h"
#include "mta/cli/table.h"

namespace mta::cli {
namespace {

using nlohmann::json;

struct Words {
    const char* path;
    const char* verb;  // "Cancel 3 recipients of 2 messages?"
    const char* done;  // "3 recipients of 2 messages cancelled."
};
Words words_for(QueueAction action) {
    switch (action) {
        case QueueAction::cancel: return {"/v1/cancel", "Cancel", "cancelled"};
        case QueueAction::hold: return {"/v1/hold", "Hold", "held"};
        case QueueAction::release: return {"/v1/release", "Release", "released"};
    }
    return {"", "", ""};
}

std::string count_of(const json& answer) {
    return plural(number_of(answer, "recipients"), "recipient") + " of " +
           plural(number_of(answer, "messages"), "message");
}

int say_nothing_found(const ActionOptions& options, CommandIo& io) {
    io.err << "posthouse: there is nothing like that in the queue: "
           << printable(describe(options.filter)) << '\n';
    return exit_failed;
}

// Whether to go on, after having asked if need be. Otherwise `status` is set.
bool is_confirmed(const ActionOptions& options, const json& found, CommandIo& io, int& status) {
    if (options.action != QueueAction::cancel || options.yes) return true;
    if (!io.is_terminal) {
        io.err << "posthouse: this would cancel " << count_of(found)
               << "; say --yes to do it without being asked\n";
        status = exit_usage;
        return false;
    }
    io.out << "Cancel " << count_of(found) << ": " << printable(describe(options.filter)) << "?\n";
    if (!options.filter.recipient.empty() || !options.filter.domain.empty()) {
        io.out << "The other recipients of these messages are not touched.\n";
    }
    io.out << "This mail is gone then, and nobody is told. [y/N] " << std::flush;
    std::string answer;
    std::getline(io.in, answer);
    if (answer == "y" || answer == "Y" || answer == "yes") return true;
    io.out << "Nothing was changed.\n";
    status = exit_failed;
    return false;
}

}  // namespace

int run_action(const ApiClient& api, const ActionOptions& options, CommandIo& io) {
    const auto words = words_for(options.action);
    auto body = to_json(options.filter);
    if (body.empty()) body["all"] = true;
    body["dry_run"] = true;
    const auto found = api.post(words.path, body);
    if (!found) return fail(io, found.error());
    if (number_of(*found, "messages") == 0) {
        if (options.json) write_json(io.out, *found);
        return say_nothing_found(options, io);
    }
    int status = exit_fine;
    if (!is_confirmed(options, *found, io, status)) return status;
    body.erase("dry_run");
    const auto done = api.post(words.path, body);
    if (!done) return fail(io, done.error());
    if (options.json) {
        write_json(io.out, *done);
        return exit_fine;
    }
    io.out << count_of(*done) << ' ' << words.done << ".\n";
    const auto missed = number_of(*found, "recipients") -
                        std::min(number_of(*found, "recipients"), number_of(*done, "recipients"));
    if (missed > 0) {
        io.out << plural(missed, "recipient")
               << " left alone: being delivered right now, or already in that state.\n";
    }
    return exit_fine;
}

}  // namespace mta::cli
