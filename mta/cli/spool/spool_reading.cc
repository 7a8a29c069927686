#include "mta/cli/spool/spool_reading.h"

#include "mta/base/printable.h"
#include "mta/cli/terminal/progress.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {

int fail(CommandIo& io, const std::string& text) {
    io.err << "posthouse: " << printable(text) << '\n';
    return exit_failed;
}

std::unique_ptr<queue::segment_log::SpoolView> open_view(
    queue::segment_log::Disk& disk, CommandIo& io, queue::MessageId history_of,
    const std::function<bool()>& is_interrupted) {
    Progress progress(io.err, io.shows_progress, "reading the spool");
    const auto on_progress = [&](std::uint64_t done, std::uint64_t total) {
        progress.show(done, total);
        return !is_interrupted || !is_interrupted();
    };
    auto view = queue::segment_log::SpoolView::open(
        disk, {.history_of = history_of, .on_progress = on_progress});
    progress.clear();
    if (view) return std::move(*view);
    fail(io, view.error().text);
    return nullptr;
}

std::string quarantine_words(queue::segment_log::Disk& disk) {
    const auto kept = disk.list("quarantine");
    if (!kept || kept->empty()) return {};
    return "quarantine/ holds " + plural(kept->size(), "file") +
           " of damage found earlier: mail in there is neither shown nor delivered";
}

int warn_of_problems(queue::segment_log::Disk& disk, const queue::segment_log::SpoolView& view,
                     CommandIo& io) {
    if (const auto words = quarantine_words(disk); !words.empty())
        io.err << "posthouse: " << words << '\n';
    if (view.problems().empty()) return exit_fine;
    for (const auto& problem : view.problems())
        if (problem.is_stranger)
            io.err << "posthouse: " << problem.path << " is " << printable(problem.what) << '\n';
    io.err << "posthouse: the spool is damaged (" << plural(view.problems().size(), "place")
           << "), so there may be more than is shown; posthouse spool verify says where\n";
    return exit_failed;
}

std::string describe(const DeliveryError& error) {
    std::string text = error.reply_code == 0 ? "" : std::to_string(error.reply_code) + ' ';
    text += error.text;
    if (!error.remote.empty()) text += " (" + error.remote + ')';
    return text;
}

}  // namespace mta::cli
