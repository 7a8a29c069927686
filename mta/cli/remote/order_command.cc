#include "mta/cli/remote/order_command.h"

#include <algorithm>
#include <string>

#include "mta/base/printable.h"
#include "mta/cli/json_members.h"
#include "mta/cli/remote/filter_json.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {
namespace {

using nlohmann::json;

struct Words {
    const char* path;
    const char* verb;     // "Cancel 3 recipients of 2 messages?"
    const char* done;     // "3 recipients of 2 messages cancelled."
    const char* warning;  // what cannot be undone; empty: it can
};
Words words_for(QueueAction action) {
    switch (action) {
        case QueueAction::cancel:
            return {"/v1/cancel", "Cancel", "cancelled",
                    "This mail is gone then, and nobody is told."};
        case QueueAction::bounce:
            return {"/v1/bounce", "Bounce", "bounced",
                    "This mail is gone then, and its senders get reports."};
        case QueueAction::hold: return {"/v1/hold", "Hold", "held", ""};
        case QueueAction::release: return {"/v1/release", "Release", "released", ""};
        case QueueAction::flush: return {"/v1/flush", "Try now", "tried now", ""};
    }
    return {"", "", "", ""};
}

struct Counts {
    std::uint64_t messages = 0;
    std::uint64_t recipients = 0;
};

Counts counts_of(const json& answer) {
    return {number_of(answer, "messages"), number_of(answer, "recipients")};
}

std::string in_words(const Counts& counts) {
    return plural(counts.recipients, "recipient") + " of " + plural(counts.messages, "message");
}

json to_json(const Counts& counts, bool is_dry_run) {
    json out = {{"messages", counts.messages}, {"recipients", counts.recipients}};
    if (is_dry_run) out["dry_run"] = true;
    return out;
}

int say_nothing_found(const OrderOptions& options, CommandIo& io) {
    if (options.json) write_json(io.out, to_json({}, options.dry_run));
    if (options.action == QueueAction::flush) {
        if (!options.json) io.out << "Nothing is waiting there.\n";
        return exit_fine;
    }
    io.err << "posthouse: there is nothing like that in the queue: "
           << printable(describe(options.filter)) << '\n';
    return exit_failed;
}

// Asks the user if that is necessary. Returns whether to go on; if not, `status` is set.
bool is_confirmed(const OrderOptions& options, const Counts& found, CommandIo& io, int& status) {
    const auto words = words_for(options.action);
    const bool is_for_good = *words.warning != '\0';
    if (options.yes || (!is_for_good && (found.messages < 2 || !io.is_terminal))) return true;
    if (!io.is_terminal) {
        std::string verb = words.verb;
        verb[0] = static_cast<char>(verb[0] - 'A' + 'a');
        io.err << "posthouse: this would " << verb << ' ' << in_words(found)
               << "; say --yes to do it without being asked\n";
        status = exit_usage;
        return false;
    }
    io.out << words.verb << ' ' << in_words(found) << ": " << printable(describe(options.filter))
           << "?\n";
    if (options.filter.is_about_recipients()) {
        io.out << "The other recipients of these messages are not touched.\n";
    }
    io.out << words.warning << (is_for_good ? " " : "") << "[y/N] " << std::flush;
    std::string answer;
    std::getline(io.in, answer);
    if (answer == "y" || answer == "Y" || answer == "yes") return true;
    io.out << "Nothing was changed.\n";
    status = exit_failed;
    return false;
}

// The relay answers a large order in parts.
std::expected<Counts, ApiError> give(const ApiClient& api, const Words& words, json body,
                                     const Counts& found, CommandIo& io) {
    Counts done;
    for (bool has_more = true; has_more;) {
        const auto part = api.post(words.path, body);
        if (!part) {
            auto error = part.error();
            if (done.messages > 0) error.text += " (until then: " + in_words(done) + ")";
            return std::unexpected(std::move(error));
        }
        const auto counts = counts_of(*part);
        done.messages += counts.messages;
        done.recipients += counts.recipients;
        body["cursor"] = text_of(*part, "next");
        has_more = !text_of(*part, "next").empty();
        if (io.shows_progress && has_more) {
            io.err << '\r' << done.messages << " of " << plural(found.messages, "message") << "..."
                   << std::flush;
        }
        if (io.shows_progress && !has_more && done.messages > counts.messages) io.err << '\n';
    }
    return done;
}

}  // namespace

int run_order(const ApiClient& api, const OrderOptions& options, CommandIo& io) {
    const auto words = words_for(options.action);
    auto body = to_json(options.filter);
    if (body.empty()) body["all"] = true;
    if (!options.reason.empty()) body["reason"] = options.reason;
    auto asking = body;
    asking["dry_run"] = true;
    const auto answer = api.post(words.path, asking);
    if (!answer) return fail(io, answer.error());
    const auto found = counts_of(*answer);
    if (found.messages == 0) return say_nothing_found(options, io);
    if (options.dry_run) {
        if (options.json) {
            write_json(io.out, to_json(found, true));
        } else {
            io.out << in_words(found) << " would be " << words.done << ".\n";
        }
        return exit_fine;
    }
    int status = exit_fine;
    if (!is_confirmed(options, found, io, status)) return status;
    const auto done = give(api, words, std::move(body), found, io);
    if (!done) return fail(io, done.error());
    if (options.json) {
        write_json(io.out, to_json(*done, false));
        return exit_fine;
    }
    io.out << in_words(*done) << ' ' << words.done << ".\n";
    const auto missed = found.recipients - std::min(found.recipients, done->recipients);
    if (missed > 0) {
        io.out << plural(missed, "recipient")
               << " left alone: being delivered right now, or done with meanwhile.\n";
    }
    return exit_fine;
}

}  // namespace mta::cli
