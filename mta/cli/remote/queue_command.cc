#include "mta/cli/remote/queue_command.h"

#include <algorithm>
#include <utility>

#include "mta/base/time_format.h"
#include "mta/cli/json_members.h"
#include "mta/cli/remote/filter_json.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {
namespace {

using nlohmann::json;
using Parameters = ApiClient::Parameters;

constexpr std::uint32_t page_messages_max = 1000;

struct Messages {
    json list = json::array();
    std::uint64_t matching = 0;  // in all; 0: not known
    bool has_more = false;
    json loading;
};

Parameters parameters_of(const QueueOptions& options) {
    Parameters query;
    const auto filter = to_json(options.filter);
    for (const auto& [name, value] : filter.items()) query.emplace_back(name, value);
    return query;
}

bool is_sorted_by_relay(const QueueOptions& options) {
    return options.limit > 0 || !options.question.sort.empty() || options.question.reverse;
}

std::expected<Messages, ApiError> fetch(const ApiClient& api, const QueueOptions& options) {
    auto query = parameters_of(options);
    // The relay finds the first messages of a long queue; a whole queue is sorted here.
    if (is_sorted_by_relay(options)) {
        query.emplace_back("sort", options.question.sort.empty() ? "age" : options.question.sort);
        if (options.question.reverse) query.emplace_back("reverse", "true");
    }
    query.emplace_back("limit", "");
    query.emplace_back("cursor", "");
    Messages messages;
    do {
        auto missing = page_messages_max;
        if (options.limit > 0) {
            const auto left = options.limit - messages.list.size();
            missing = std::min(missing, static_cast<std::uint32_t>(left));
        }
        query[query.size() - 2].second = std::to_string(missing);
        const auto page = api.get("/v1/queue", query);
        if (!page) return std::unexpected(page.error());
        for (const auto& message : list_of(*page, "messages")) messages.list.push_back(message);
        query.back().second = text_of(*page, "next");
        messages.has_more = !query.back().second.empty();
        messages.matching = number_of(member_of(*page, "total"), "messages");
        messages.loading = member_of(*page, "loading");
    } while (messages.has_more && (options.limit == 0 || messages.list.size() < options.limit));
    if (!is_sorted_by_relay(options)) {
        std::stable_sort(messages.list.begin(), messages.list.end(),
                         [](const json& a, const json& b) {
                             return text_of(a, "arrived") < text_of(b, "arrived");
                         });
    }
    return messages;
}

std::string sender_of(const json& message) {
    if (!member_of(message, "sender").is_string()) return "?";
    const auto sender = text_of(message, "sender");
    return sender.empty() ? "<>" : sender;
}

// The rows of one message. The first one has everything, the others have only their recipient.
void add_rows(Table& table, const json& message, Instant now) {
    std::string id = text_of(message, "id");
    std::string arrived = relative(text_of(message, "arrived"), now);
    std::string size = format_size(number_of(message, "size"));
    std::string sender = sender_of(message);
    for (const auto& recipient : list_of(message, "recipients")) {
        table.add({std::exchange(id, ""), std::exchange(arrived, ""), std::exchange(size, ""),
                   std::exchange(sender, ""), text_of(recipient, "address"),
                   text_of(recipient, "state"), std::to_string(number_of(recipient, "attempts")),
                   relative(text_of(recipient, "next_attempt"), now),
                   text_of(recipient, "last_reply")});
    }
}

// Soon after the start of the relay an answer may be incomplete.
void note_loading(const json& loading, std::ostream& out) {
    if (loading.is_null()) return;
    const auto& total = member_of(loading, "of");
    out << "The relay has just been started, and not all mail that was queued before is known yet: "
        << (total.is_number() ? std::to_string(number_of(loading, "loaded")) + " of " : "")
        << plural(number_of(loading, total.is_number() ? "of" : "loaded"), "message") << ".\n";
}

int say_nothing(const QueueOptions& options, const json& loading, CommandIo& io) {
    io.out << (options.filter.is_empty() ? "The queue is empty.\n"
                                         : "Nothing in the queue matches.\n");
    note_loading(loading, io.out);
    return exit_fine;
}

int show_list(const Messages& messages, const QueueOptions& options, CommandIo& io) {
    if (messages.list.empty()) return say_nothing(options, messages.loading, io);
    Table table({"ID", "ARRIVED", "SIZE", "FROM", "TO", "STATE", "TRIES", "NEXT", "LAST REPLY"});
    std::size_t recipients = 0;
    for (const auto& message : messages.list) {
        add_rows(table, message, io.now);
        recipients += list_of(message, "recipients").size();
    }
    table.write(io.out, io.columns);
    io.out << plural(messages.list.size(), "message") << ", " << plural(recipients, "recipient");
    if (!messages.has_more) {
        io.out << ".\n";
    } else {
        io.out << "; " << (messages.matching > 0 ? std::to_string(messages.matching) : "more")
               << (messages.matching > 0 ? " in all" : " are there")
               << ": --limit 0 shows all, --by destination sums up.\n";
    }
    note_loading(messages.loading, io.out);
    return exit_fine;
}

// ---- Groups and counts ----

// The name of a group; of one without a name, what that means.
std::string name_of(const json& group, std::string_view by) {
    if (auto name = text_of(group, "name"); !name.empty()) return name;
    if (by == "sender") return "<>";
    if (by == "reason") return "(no trouble so far)";
    return "(not known yet)";
}

void add_group(Table& table, const std::string& name, const json& group, Instant now) {
    table.add({std::to_string(number_of(group, "messages")),
               std::to_string(number_of(group, "recipients")),
               format_size(number_of(group, "bytes")), relative(text_of(group, "oldest"), now),
               relative(text_of(group, "next_attempt"), now), name});
}

std::string title_of(const std::string& by) {
    std::string title = by;
    std::ranges::transform(title, title.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return title;
}

int show_groups(const json& answer, const QueueOptions& options, CommandIo& io) {
    const auto& by = options.question.by;
    const auto& groups = list_of(answer, "groups");
    if (groups.empty()) return say_nothing(options, member_of(answer, "loading"), io);
    Table table({"MESSAGES", "RECIPIENTS", "SIZE", "OLDEST", "NEXT", title_of(by)});
    for (const auto& group : groups) add_group(table, name_of(group, by), group, io.now);
    if (const auto& others = member_of(answer, "others"); others.is_object())
        add_group(table, "(others)", others, io.now);
    table.write(io.out, io.columns);
    const auto& total = member_of(answer, "total");
    io.out << plural(number_of(total, "messages"), "message") << ", "
           << plural(number_of(total, "recipients"), "recipient") << " in all.\n";
    note_loading(member_of(answer, "loading"), io.out);
    return exit_fine;
}

int show_count(const json& answer, const QueueOptions& options, CommandIo& io) {
    const auto& total = member_of(answer, "total");
    if (number_of(total, "messages") == 0)
        return say_nothing(options, member_of(answer, "loading"), io);
    io.out << plural(number_of(total, "messages"), "message") << ", "
           << plural(number_of(total, "recipients"), "recipient") << ", "
           << format_size(number_of(total, "bytes")) << "; the oldest came "
           << relative(text_of(total, "oldest"), io.now);
    if (const auto next = text_of(total, "next_attempt"); !next.empty())
        io.out << ", the next attempt is " << relative(next, io.now);
    io.out << ".\n";
    note_loading(member_of(answer, "loading"), io.out);
    return exit_fine;
}

}  // namespace

int run_queue(const ApiClient& api, const QueueOptions& options, CommandIo& io) {
    const auto& question = options.question;
    if (question.by.empty() && !question.count) {
        const auto messages = fetch(api, options);
        if (!messages) return fail(io, messages.error());
        if (!options.json) return show_list(*messages, options, io);
        write_json(io.out, messages->list);
        note_loading(messages->loading, io.err);
        return exit_fine;
    }
    auto query = parameters_of(options);
    query.emplace_back("by", question.by);
    query.emplace_back("count", question.count ? "true" : "");
    query.emplace_back("limit",
                       std::to_string(options.limit == 0 ? page_messages_max : options.limit));
    const auto answer = api.get("/v1/queue", query);
    if (!answer) return fail(io, answer.error());
    if (options.json) {
        write_json(io.out, *answer);
        return exit_fine;
    }
    return question.by.empty() ? show_count(*answer, options, io)
                               : show_groups(*answer, options, io);
}

}  // namespace mta::cli
