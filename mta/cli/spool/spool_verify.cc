#include "mta/base/printable.h"
#include "mta/cli/json_members.h"
#include "mta/cli/spool/spool_command.h"
#include "mta/cli/spool/spool_reading.h"
#include "mta/cli/terminal/progress.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {
namespace {

using queue::segment_log::SpoolProblem;
using queue::segment_log::SpoolView;

// The messages that cannot be read or whose bodies have changed.
std::vector<SpoolProblem> check_messages(SpoolView& view, std::size_t& messages, CommandIo& io) {
    std::vector<SpoolProblem> problems;
    const auto ids = view.messages();
    Progress progress(io.err, io.shows_progress, "checking the messages");
    for (std::size_t i = 0; i < ids.size(); ++i) {
        progress.show(i, ids.size());
        for (int attempt = 0; attempt < 2; ++attempt) {
            const auto found = view.read(ids[i]);
            const auto read = found ? view.read_body(*found, [](std::string_view) { return true; })
                                    : std::unexpected(found.error());
            const bool is_gone = !found && found.error().kind == queue::StoreError::Kind::not_found;
            if (is_gone) break;  // a running relay has finished with it
            if (read) {
                ++messages;
                break;
            }
            // The message may have moved while it was read.
            if (attempt == 0) continue;
            problems.push_back(
                {"", 0, 0, "message " + queue::format_id(ids[i]) + ": " + read.error().text});
        }
    }
    return problems;
}

void write_text(const SpoolProblem& problem, CommandIo& io) {
    if (!problem.path.empty()) {
        io.out << problem.path << ", byte " << problem.offset << " ("
               << plural(problem.bytes, "byte") << "): ";
    }
    io.out << printable(problem.what) << '\n';
}

}  // namespace

int run_spool_verify(queue::segment_log::Disk& disk, bool json, CommandIo& io) {
    const auto view = open_view(disk, io);
    if (!view) return exit_failed;
    std::size_t messages = 0;
    const auto unreadable = check_messages(*view, messages, io);
    auto problems = view->problems();
    problems.insert(problems.end(), unreadable.begin(), unreadable.end());
    auto notes = view->notes();
    if (auto words = quarantine_words(disk); !words.empty()) notes.push_back(std::move(words));
    if (json) {
        nlohmann::json out = {{"segments", view->segments()},
                              {"records", view->records()},
                              {"messages", messages},
                              {"problems", nlohmann::json::array()},
                              {"notes", notes}};
        for (const auto& problem : problems) {
            out["problems"].push_back({{"path", problem.path},
                                       {"offset", problem.offset},
                                       {"bytes", problem.bytes},
                                       {"what", problem.what}});
        }
        write_json(io.out, out);
        return problems.empty() ? exit_fine : exit_failed;
    }
    for (const auto& problem : problems) write_text(problem, io);
    for (const auto& note : notes) io.out << "note: " << printable(note) << '\n';
    io.out << plural(view->segments(), "segment") << ", " << plural(view->records(), "record")
           << ", " << plural(messages, "whole message") << " in the queue: "
           << (problems.empty() ? "no damage" : plural(problems.size(), "problem")) << ".\n";
    return problems.empty() ? exit_fine : exit_failed;
}

}  // namespace mta::cli
