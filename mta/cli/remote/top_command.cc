#include "mta/cli/remote/top_command.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <sstream>
#include <utility>
#include <vector>

#include "mta/base/printable.h"
#include "mta/base/time_format.h"
#include "mta/cli/json_members.h"
#include "mta/cli/terminal/screen.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {
namespace {

using nlohmann::json;

constexpr Millis refresh{1000};
constexpr char control_c = 3;

// By how much the counter grew each second between two answers.
std::string rate_of(const json& now, const json& before, const char* counter) {
    const auto from = parse_rfc3339(text_of(member_of(before, "status"), "now"));
    const auto to = parse_rfc3339(text_of(member_of(now, "status"), "now"));
    if (!from || !to || *to <= *from) return "-";
    const auto grown = number_of(member_of(now, "queue"), counter) -
                       number_of(member_of(before, "queue"), counter);
    const auto seconds = std::chrono::duration<double>(*to - *from).count();
    char text[32];
    std::snprintf(text, sizeof text, "%.1f/s", static_cast<double>(grown) / seconds);
    return text;
}

std::string trouble_of(const json& destination, Instant now) {
    const auto down = text_of(destination, "down_since");
    if (!down.empty()) {
        const auto next = text_of(destination, "next_probe");
        auto out = "DOWN since " + relative(down, now) + ", " +
                   (next.empty() ? "being tried" : "next try " + relative(next, now));
        const auto text = text_of(member_of(destination, "last_error"), "text");
        return text.empty() ? out : out + ": " + text;
    }
    std::string out;
    for (const auto& [name, count] : member_of(destination, "troubles").items()) {
        if (name == "none" || !count.is_number_unsigned()) continue;
        out += (out.empty() ? "" : ", ") + std::to_string(count.get<std::uint64_t>()) + ' ' + name;
    }
    return out;
}

void add_row(Table& table, const json& destination, const std::string& name, Instant now) {
    const auto oldest = text_of(destination, "oldest");
    const auto parsed = parse_rfc3339(oldest);
    table.add({name, std::to_string(number_of(destination, "recipients")),
               parsed ? format_duration(std::max(now - *parsed, Millis{0})) : "-",
               std::to_string(number_of(destination, "connections")),
               std::to_string(number_of(destination, "delivering")), trouble_of(destination, now)});
}

std::string head_of(const json& status, Instant now) {
    const auto& draining = member_of(status, "draining");
    const bool is_draining = draining.is_boolean() && draining.get<bool>();
    return "posthouse " + text_of(status, "version") + " on " + text_of(status, "hostname") +
           ", started " + relative(text_of(status, "started"), now) +
           (is_draining ? ", IS STOPPING" : "");
}

std::string spool_of(const json& status) {
    const auto& spool = member_of(status, "spool");
    const auto refusal = text_of(spool, "refusal");
    auto out = plural(number_of(spool, "segments"), "file") + ", " +
               format_size(number_of(spool, "live_bytes")) + " queued of " +
               format_size(number_of(spool, "written_bytes")) + " written, " +
               format_size(number_of(spool, "free_bytes")) + " free";
    return refusal.empty() ? out : out + "; REFUSES NEW MAIL: " + refusal;
}

}  // namespace

std::string top_picture(const json& now, const json& before, std::uint32_t columns) {
    const auto& status = member_of(now, "status");
    const auto& queue = member_of(now, "queue");
    const auto time = parse_rfc3339(text_of(status, "now")).value_or(Instant{});
    const auto number = [&](const char* name) { return std::to_string(number_of(queue, name)); };
    std::ostringstream out;
    Table head({"", ""});
    head.add({"in", rate_of(now, before, "accepted_total") + " messages; " +
                        plural(number_of(status, "clients"), "client")});
    head.add({"out", rate_of(now, before, "delivered_total") + " delivered, " +
                         rate_of(now, before, "deferred_total") + " deferred, " +
                         rate_of(now, before, "failed_total") + " bounced; " +
                         number("delivering") + " under way over " +
                         plural(number_of(queue, "connections"), "connection")});
    head.add({"queue", plural(number_of(queue, "messages"), "message") + ", " +
                           plural(number_of(queue, "recipients"), "recipient") + ", " +
                           number("held") + " held; " + number("destinations_down") +
                           " destinations down"});
    head.add({"spool", spool_of(status)});
    out << printable(head_of(status, time)) << '\n';
    head.write(out, columns);
    out << '\n';
    Table table({"DESTINATION", "WAITING", "OLDEST", "CONNECTIONS", "NOW", "TROUBLE"});
    for (const auto& destination : list_of(now, "destinations"))
        add_row(table, destination, text_of(destination, "name"), time);
    if (const auto others = number_of(now, "others_count"); others > 0)
        add_row(table, member_of(now, "others"), "(" + std::to_string(others) + " others)", time);
    table.write(out, columns);
    if (list_of(now, "destinations").empty()) out << "Nothing waits.\n";
    return out.str();
}

namespace {

int show_once(const ApiClient& api, const TopOptions& options, CommandIo& io) {
    const auto before = api.get("/v1/top");
    if (!before) return fail(io, before.error());
    if (options.json) {
        write_json(io.out, *before);
        return exit_fine;
    }
    if (!options.wait(refresh)) return exit_fine;
    const auto answer = api.get("/v1/top");
    if (!answer) return fail(io, answer.error());
    io.out << top_picture(*answer, *before, io.columns);
    return exit_fine;
}

// Shows pictures until the user ends the command or an answer fails.
std::optional<ApiError> show_on_screen(const ApiClient& api, const TopOptions& options,
                                       json before) {
    Screen screen;
    while (!screen.has_gone()) {
        const auto key = screen.key(refresh, options.interrupt);
        if (key == 'q' || key == 'Q' || key == control_c || !options.wait(Millis{0})) break;
        auto answer = api.get("/v1/top");
        if (!answer) return answer.error();
        screen.show(top_picture(*answer, before, Screen::size().columns) + "\nq ends this.\n");
        before = std::move(*answer);
    }
    return std::nullopt;
}

}  // namespace

int run_top(const ApiClient& api, const TopOptions& options, CommandIo& io) {
    if (options.once || options.json || !io.is_terminal) return show_once(api, options, io);
    auto first = api.get("/v1/top");
    if (!first) return fail(io, first.error());
    const auto error = show_on_screen(api, options, std::move(*first));
    return error ? fail(io, *error) : exit_fine;
}

}  // namespace mta::cli
