#include "mta/cli/remote/trace_command.h"

#include <map>
#include <set>
#include <string>

#include "mta/base/printable.h"
#include "mta/cli/json_members.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {
namespace {

using nlohmann::json;

constexpr Millis pause{200};

// "12:04:05.678" of a time by RFC 3339.
std::string clock_of(const std::string& rfc3339) {
    return rfc3339.size() >= 23 ? rfc3339.substr(11, 12) : rfc3339;
}

// "mx1.them.example" of "mx1.them.example [192.0.2.1]:25".
std::string name_of(const std::string& host) { return host.substr(0, host.find(' ')); }

void show(const json& line, std::set<std::string>& known, std::ostream& out) {
    const auto kind = text_of(line, "kind");
    const auto connection = text_of(line, "connection");
    const auto host = text_of(line, "host");
    const auto beginning = clock_of(text_of(line, "at")) + " #" + connection + ' ' +
                           printable(name_of(host)) + ' ' + text_of(line, "id");
    const bool is_note = kind == "note" || kind == "end";
    // The full name of the host, once.
    if (known.insert(connection).second)
        out << printable(beginning) << " * " << printable(host) << '\n';
    out << printable(beginning)
        << (is_note          ? " * "
            : kind == "sent" ? " > "
                             : " < ")
        << printable(text_of(line, "text")) << '\n';
}

json order_of(const TraceOptions& options) {
    return {{"watch", options.watch}, {"what", options.what}};
}

void say_what_is_watched(const TraceOptions& options, CommandIo& io) {
    io.err << "Waiting for attempts to deliver mail of or to " << printable(options.what)
           << ". To have one now: posthouse flush; Ctrl-C ends this.\n"
           << std::flush;
}

}  // namespace

int run_trace(const ApiClient& api, const TraceOptions& options, CommandIo& io) {
    std::set<std::string> known;
    std::uint64_t attempts = 0;
    Millis waited{};
    for (bool is_first = true;; is_first = false) {
        const auto answer = api.post("/v1/trace", order_of(options));
        if (!answer) return fail(io, answer.error());
        if (is_first) say_what_is_watched(options, io);
        if (const auto dropped = number_of(*answer, "dropped"); dropped > 0 && !options.json)
            io.out << "... " << plural(dropped, "line") << " came too fast to be shown\n";
        for (const auto& line : list_of(*answer, "lines")) {
            if (options.json) {
                io.out << line.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
            } else {
                show(line, known, io.out);
            }
            attempts += text_of(line, "kind") == "end" ? 1 : 0;
            if (options.attempts > 0 && attempts >= options.attempts) break;
        }
        io.out.flush();
        const bool has_seen_all = options.attempts > 0 && attempts >= options.attempts;
        const bool is_late = options.timeout && waited >= *options.timeout;
        if (has_seen_all || is_late || !io.out || !options.wait(pause)) break;
        waited += pause;
    }
    auto order = order_of(options);
    order["end"] = true;
    // If this fails, the relay forgets the watcher after a while.
    static_cast<void>(api.post("/v1/trace", order));
    return exit_fine;
}

}  // namespace mta::cli
