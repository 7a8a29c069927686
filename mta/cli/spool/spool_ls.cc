#include <algorithm>

#include "mta/base/domain.h"
#include "mta/base/mail_address.h"
#include "mta/base/time_format.h"
#include "mta/cli/json_members.h"
#include "mta/cli/spool/message_json.h"
#include "mta/cli/spool/spool_command.h"
#include "mta/cli/spool/spool_reading.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {
namespace {

using queue::segment_log::SpoolMessage;

bool is_in_domain(const std::string& domain, const std::string& wanted) {
    return wanted.starts_with('.') ? is_under(domain, std::string_view(wanted).substr(1))
                                   : domain == wanted;
}

// `wanted` is an address, "<>", or "@DOMAIN", which means all addresses of the domain.
bool is_from(const std::string& reverse_path, const std::string& wanted) {
    if (!wanted.starts_with('@'))
        return equals_ignoring_case(reverse_path, wanted == "<>" ? "" : wanted);
    const auto domain = domain_of_address(reverse_path);
    return !domain.empty() && domain == std::string_view(wanted).substr(1);
}

// As in `posthouse queue`: a message must match all parts, and one recipient all parts about
// recipients.
bool matches(const Filter& filter, const SpoolMessage& found) {
    const auto& message = *found.message;
    if (!filter.id.empty() && queue::format_id(message.id) != filter.id) return false;
    if (!filter.sender.empty() && !is_from(message.envelope.reverse_path, filter.sender))
        return false;
    for (std::size_t i = 0; i < found.states.size(); ++i) {
        const auto& recipient = message.envelope.recipients[i];
        if (!filter.state.empty() && state_name(found.states[i]) != filter.state) continue;
        if (!filter.domain.empty() && !is_in_domain(recipient.domain, filter.domain)) continue;
        if (!filter.recipient.empty() &&
            !equals_ignoring_case(recipient.address, filter.recipient)) {
            continue;
        }
        return true;
    }
    return false;
}

void add_rows(Table& table, const SpoolMessage& found, Instant now) {
    const auto& message = *found.message;
    const auto& sender = message.envelope.reverse_path;
    std::string id = queue::format_id(message.id);
    std::string arrived = relative(message.arrival, now);
    std::string size = format_size(message.facts.size);
    std::string from = sender.empty() ? "<>" : sender;
    for (std::size_t i = 0; i < found.states.size(); ++i) {
        const auto& state = found.states[i];
        const bool is_waiting = !found.is_done && state.phase == queue::RecipientPhase::pending;
        table.add({std::exchange(id, ""), std::exchange(arrived, ""), std::exchange(size, ""),
                   std::exchange(from, ""), message.envelope.recipients[i].address,
                   found.is_done ? "done" : std::string(state_name(state)),
                   std::to_string(state.attempts), is_waiting ? relative(state.next_due, now) : "-",
                   describe(state.last_error)});
    }
}

}  // namespace

int run_spool_ls(queue::segment_log::Disk& disk, const Invocation& invocation, CommandIo& io) {
    const auto view = open_view(disk, io);
    if (!view) return exit_failed;
    Table table({"ID", "ARRIVED", "SIZE", "FROM", "TO", "STATE", "TRIES", "NEXT", "LAST REPLY"});
    auto list = nlohmann::json::array();
    std::size_t messages = 0;
    std::size_t recipients = 0;
    int status = exit_fine;
    for (const auto id : view->messages(invocation.spool.all)) {
        const auto found = view->read(id);
        // A running relay has finished the message meanwhile.
        if (!found && found.error().kind == queue::StoreError::Kind::not_found) continue;
        if (!found) {
            status = fail(io, "message " + queue::format_id(id) + ": " + found.error().text);
            continue;
        }
        if (!matches(invocation.filter, *found)) continue;
        ++messages;
        recipients += found->states.size();
        if (!invocation.json) {
            add_rows(table, *found, io.now);
            continue;
        }
        list.push_back(to_json(*found->message, found->states));
        if (found->is_done) list.back()["done"] = true;
    }
    if (invocation.json) {
        write_json(io.out, list);
    } else if (messages == 0) {
        io.out << (invocation.filter.is_empty() ? "The spool holds no message.\n"
                                                : "Nothing in the spool matches.\n");
    } else {
        table.write(io.out, io.columns);
        io.out << plural(messages, "message") << ", " << plural(recipients, "recipient") << ".\n";
    }
    return std::max(status, warn_of_problems(disk, *view, io));
}

}  // namespace mta::cli
