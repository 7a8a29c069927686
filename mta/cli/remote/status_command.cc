#include "mta/cli/remote/status_command.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "mta/base/printable.h"
#include "mta/base/time_format.h"
#include "mta/cli/json_members.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {
namespace {

using nlohmann::json;

constexpr std::uint64_t destinations_shown_max = 20;

std::string joined(const json& list) {
    std::string out;
    for (const auto& item : list) {
        if (item.is_string()) out += (out.empty() ? "" : ", ") + item.get<std::string>();
    }
    return out;
}

std::string queue_words(const json& queue) {
    const auto number = [&](const char* name) { return number_of(queue, name); };
    return plural(number("messages"), "message") + ", " +
           plural(number("recipients"), "recipient") + " (" + std::to_string(number("held")) +
           " held); " + std::to_string(number("delivering")) + " being delivered over " +
           plural(number("connections"), "connection");
}

std::string totals_words(const json& queue) {
    const auto number = [&](const char* name) { return std::to_string(number_of(queue, name)); };
    return number("delivered_total") + " delivered, " + number("deferred_total") + " deferred, " +
           number("failed_total") + " bounced, " + number("expired_total") + " expired, " +
           number("in_doubt_total") + " in doubt";
}

std::string spool_words(const json& spool) {
    auto out = text_of(spool, "path");
    const auto refusal = text_of(spool, "refusal");
    out += refusal.empty() ? ": takes mail" : ": REFUSES NEW MAIL: " + refusal;
    if (member_of(spool, "free_bytes").is_number()) {
        out += "; " + format_size(number_of(spool, "free_bytes"));
        if (member_of(spool, "total_bytes").is_number()) {
            out += " of " + format_size(number_of(spool, "total_bytes"));
        }
        out += " free";
    }
    const auto& loading = member_of(spool, "loading");
    if (loading.is_boolean() && loading.get<bool>()) {
        out += "; what was queued at the start is still being loaded";
    }
    return out;
}

// Empty if there is none.
std::string quarantine_words(const json& spool) {
    const auto& kept = list_of(spool, "quarantine");
    if (kept.empty()) return {};
    constexpr std::size_t shown_max = 3;
    std::string out = std::to_string(kept.size()) + (kept.size() == 1 ? " piece" : " pieces") +
                      " of the spool did not match " + (kept.size() == 1 ? "its" : "their") +
                      " checksum: ";
    for (std::size_t i = 0; i < kept.size() && i < shown_max; ++i) {
        out += (i > 0 ? ", " : "") + kept[i].get<std::string>();
    }
    if (kept.size() > shown_max) out += ", ...";
    return out + " in " + text_of(spool, "path") +
           "/quarantine. The rest is delivered. Look at the disk, see posthouse(8) for what can be "
           "saved, and move the files away to have this line gone";
}

std::string config_words(const json& config, Instant now) {
    auto out = text_of(config, "path") + ", read " + relative(text_of(config, "loaded"), now);
    const auto problem = text_of(config, "reload_problem");
    if (!problem.empty()) {
        out += "; THE LAST RELOAD FAILED, the older settings hold: " + problem;
    }
    return out;
}

std::string trouble_words(const json& destination, Instant now) {
    auto out = "down since " + relative(text_of(destination, "down_since"), now) + ", ";
    const auto next = text_of(destination, "next_probe");
    out += next.empty() ? "being tried now" : "next try " + relative(next, now);
    out += ", " + std::to_string(number_of(destination, "waiting")) + " waiting";
    const auto& error = member_of(destination, "last_error");
    const auto text = text_of(error, "text");
    return text.empty() ? out : out + ": " + text;
}

}  // namespace

int run_status(const ApiClient& api, bool json_wanted, CommandIo& io) {
    const auto answer = api.get("/v1/status");
    if (!answer) return fail(io, answer.error());
    const auto& status = *answer;
    const auto& spool = member_of(status, "spool");
    const auto& draining = member_of(status, "draining");
    const bool is_draining = draining.is_boolean() && draining.get<bool>();
    const int exit_status =
        text_of(spool, "refusal").empty() && !is_draining ? exit_fine : exit_failed;
    if (json_wanted) {
        write_json(io.out, status);
        return exit_status;
    }
    io.out << "posthouse " << printable(text_of(status, "version")) << " on "
           << printable(text_of(status, "hostname")) << ", started "
           << relative(text_of(status, "started"), io.now) << (is_draining ? ", IS STOPPING" : "")
           << '\n';
    const auto& queue = member_of(status, "queue");
    Table table({"", ""});
    table.add({"listening", joined(list_of(status, "listeners")) + "; " +
                                plural(number_of(status, "clients"), "client")});
    table.add({"queue", queue_words(queue)});
    table.add({"since start", totals_words(queue)});
    table.add({"spool", spool_words(spool)});
    if (const auto words = quarantine_words(spool); !words.empty()) table.add({"DAMAGE", words});
    table.add({"configuration", config_words(member_of(status, "config"), io.now)});
    const auto& in_trouble = list_of(status, "destinations_in_trouble");
    if (in_trouble.empty()) table.add({"destinations", "none in trouble"});
    std::uint64_t shown = 0;
    for (const auto& destination : in_trouble) {
        if (++shown > destinations_shown_max) break;
        table.add({"in trouble",
                   text_of(destination, "name") + ' ' + trouble_words(destination, io.now)});
    }
    const auto count = std::max<std::uint64_t>(in_trouble.size(),
                                               number_of(status, "destinations_in_trouble_count"));
    if (count > destinations_shown_max) {
        table.add(
            {"in trouble", "... and " + std::to_string(count - destinations_shown_max) +
                               " more; posthouse queue --by destination shows where mail waits"});
    }
    table.write(io.out, 0);
    return exit_status;
}

}  // namespace mta::cli
