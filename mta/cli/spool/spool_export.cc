#include <filesystem>

#include "mta/base/printable.h"
#include "mta/cli/spool/file_writer.h"
#include "mta/cli/spool/message_json.h"
#include "mta/cli/spool/spool_command.h"
#include "mta/cli/spool/spool_reading.h"
#include "mta/cli/terminal/progress.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {
namespace {

using queue::segment_log::SpoolMessage;
using queue::segment_log::SpoolView;

// Writes the .eml file first: without a .json file beside it, it counts as incomplete.
std::expected<void, std::string> write_pair(SpoolView& view, const SpoolMessage& found,
                                            const std::string& stem,
                                            const IsInterrupted& is_interrupted) {
    auto eml = FileWriter::create(stem + ".eml");
    if (!eml) return std::unexpected(eml.error());
    std::string trouble;
    const auto read = view.read_body(found, [&](std::string_view bytes) {
        if (const auto written = eml->write(bytes); !written) trouble = written.error();
        if (is_interrupted()) trouble = "interrupted";
        return trouble.empty();
    });
    if (!trouble.empty()) return std::unexpected(trouble);
    if (!read) return std::unexpected(read.error().text);
    auto json = FileWriter::create(stem + ".json");
    if (!json) return std::unexpected(json.error());
    const auto text = to_json(*found.message, found.states)
                          .dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                      "\n";
    if (const auto written = json->write(text); !written) return written;
    eml->keep();
    json->keep();
    return {};
}

// The messages that were asked for, or all that are queued.
std::vector<queue::MessageId> wanted(const SpoolView& view, const SpoolRequest& request,
                                     std::size_t& failed, CommandIo& io) {
    if (request.ids.empty()) return view.messages();
    std::vector<queue::MessageId> ids;
    for (const auto& text : request.ids) {
        if (const auto id = queue::parse_id(text)) {
            ids.push_back(*id);
        } else {
            ++failed;
            fail(io, "\"" + text + "\" is no queue id");
        }
    }
    return ids;
}

}  // namespace

int run_spool_export(queue::segment_log::Disk& disk, const SpoolRequest& request,
                     const IsInterrupted& is_interrupted, CommandIo& io) {
    const auto view = open_view(disk, io, 0, is_interrupted);
    if (!view) return exit_failed;
    std::error_code error;
    std::filesystem::create_directories(request.folder, error);
    if (error) {
        return fail(io, "cannot make the folder " + request.folder + ": " + error.message());
    }
    std::size_t failed = 0;
    std::size_t exported = 0;
    const auto ids = wanted(*view, request, failed, io);
    Progress progress(io.err, io.shows_progress, "exporting");
    for (std::size_t i = 0; i < ids.size() && !is_interrupted(); ++i) {
        progress.show(i, ids.size());
        const auto name = queue::format_id(ids[i]);
        const auto found = view->read(ids[i]);
        const bool is_gone = !found && found.error().kind == queue::StoreError::Kind::not_found;
        if (is_gone && request.ids.empty()) continue;  // delivered meanwhile
        auto written = found
                           ? write_pair(*view, *found, request.folder + "/" + name, is_interrupted)
                           : std::unexpected(found.error().text);
        if (written) {
            ++exported;
            continue;
        }
        if (is_interrupted()) break;
        progress.clear();
        ++failed;
        fail(io, "message " + name + " is not exported: " + written.error());
    }
    progress.clear();
    const bool is_cut_short = is_interrupted();
    if (exported > 0 && !sync_file_system(request.folder)) {
        return fail(io, "the files could not be made safe on disk (sync): do not rely on them");
    }
    io.out << plural(exported, "message") << " exported to " << printable(request.folder) << ".\n";
    const int status = warn_of_problems(disk, *view, io);
    if (is_cut_short) fail(io, "interrupted: what was not exported yet is missing there");
    return failed == 0 && !is_cut_short ? status : exit_failed;
}

}  // namespace mta::cli
