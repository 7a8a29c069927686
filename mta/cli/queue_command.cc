#include "mta/cli/queue_command.h"

#include "mta/base/time_format.h"
#include "mta/cli/answer.h"
#include "mta/cli/table.h"

namespace mta::cli {
namespace {

using nlohmann::json;

constexpr std::uint32_t page_messages_max = 1000;

struct Messages {
    json list = json::array();
    bool has_more = false;
};

std::expected<Messages, ApiError> fetch(const ApiClient& api, const QueueOptions& options) {
    ApiClient::Parameters query;
    const auto filter = to_json(options.filter);
    for (const auto& [name, value] : filter.items()) query.emplace_back(name, value);
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
    } while (messages.has_more && (options.limit == 0 || messages.list.size() < options.limit));
    return messages;
}

std::string sender_of(const json& message) {
    if (!member_of(message, "sender").is_string()) return "?";
    const auto sender = text_of(message, "sender");
    return sender.empty() ? "<>" : sender;
}

// Rows of one message: the first has it all, the others only their recipient.
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

}  // namespace

int run_queue(const ApiClient& api, const QueueOptions& options, CommandIo& io) {
    const auto messages = fetch(api, options);
    if (!messages) return fail(io, messages.error());
    if (options.json) {
        write_json(io.out, messages->list);
        return exit_fine;
    }
    if (messages->list.empty()) {
        io.out << (options.filter == Filter{} ? "The queue is empty.\n"
                                              : "Nothing in the queue matches.\n");
        return exit_fine;
    }
    Table table({"ID", "ARRIVED", "SIZE", "FROM", "TO", "STATE", "TRIES", "NEXT", "LAST REPLY"});
    std::size_t recipients = 0;
    for (const auto& message : messages->list) {
        add_rows(table, message, io.now);
        recipients += list_of(message, "recipients").size();
    }
    table.write(io.out, io.columns);
    io.out << plural(messages->list.size(), "message") << ", " << plural(recipients, "recipient");
    io.out << (messages->has_more ? "; there are more: --limit 0 shows all.\n" : ".\n");
    return exit_fine;
}

}  // namespace mta::cli
