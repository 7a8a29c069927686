#include "mta/base/printable.h"
#include "mta/base/time_format.h"
#include "mta/cli/json_members.h"
#include "mta/cli/spool/message_json.h"
#include "mta/cli/spool/spool_command.h"
#include "mta/cli/spool/spool_reading.h"
#include "mta/cli/terminal/table.h"

namespace mta::cli {
namespace {

using queue::segment_log::RecordType;
using queue::segment_log::SpoolEvent;
using queue::segment_log::SpoolMessage;

std::string time_words(Instant time, Instant now) {
    return format_rfc3339(time) + " (" + relative(time, now) + ')';
}

std::string words_of(const queue::RecipientState& state, Instant now) {
    std::string words(state_name(state));
    if (state.attempts > 0) words += ", " + plural(state.attempts, "attempt");
    if (state.last_attempt != Instant{}) {
        words += ", the last at " + time_words(state.last_attempt, now);
    }
    if (state.last_error != DeliveryError{}) words += ": " + describe(state.last_error);
    if (state.phase == queue::RecipientPhase::pending) {
        words += "; next at " + time_words(state.next_due, now);
    }
    return words;
}

void write_envelope(const SpoolMessage& found, CommandIo& io) {
    const auto& message = *found.message;
    const auto& envelope = message.envelope;
    io.out << "Message    " << queue::format_id(message.id)
           << (found.is_done ? ", finished: it is not in the queue any more" : "") << '\n'
           << "From       <" << printable(envelope.reverse_path) << ">\n"
           << "Arrived    " << time_words(message.arrival, io.now) << '\n'
           << "Size       " << message.facts.size << " bytes\n";
    if (!message.message_id.empty()) {
        io.out << "Message-ID " << printable(message.message_id) << '\n';
    }
    const auto& requests = envelope.requests;
    if (requests.priority != 0) io.out << "Priority   " << int{requests.priority} << '\n';
    if (requests.release != Instant{}) {
        io.out << "Release    " << time_words(requests.release, io.now) << '\n';
    }
    if (requests.deliver_by.mode != ByMode::none) {
        const bool is_return = requests.deliver_by.mode == ByMode::give_back;
        io.out << "Deliver by " << time_words(requests.deliver_by.at, io.now)
               << (is_return ? ", or give it back" : ", or tell the sender")
               << (requests.deliver_by.trace ? "; with a trace" : "") << '\n';
    }
    if (message.about != 0) io.out << "About      " << queue::format_id(message.about) << '\n';
    for (std::size_t i = 0; i < envelope.recipients.size(); ++i) {
        io.out << "To         <" << printable(envelope.recipients[i].address) << ">\n"
               << "           " << printable(words_of(found.states[i], io.now)) << '\n';
    }
}

// The changes from one STATE record to the next.
void write_state(const SpoolEvent& event, std::vector<std::optional<queue::RecipientState>>& before,
                 const SpoolMessage& found, CommandIo& io) {
    const auto& recipients = found.message->envelope.recipients;
    before.resize(recipients.size());
    for (const auto& [number, state] : event.states.changes) {
        if (number >= recipients.size() || before[number] == state) continue;
        io.out << "           <" << printable(recipients[number].address)
               << ">: " << printable(words_of(state, io.now)) << '\n';
        before[number] = state;
    }
}

void write_history(const std::vector<SpoolEvent>& history, const SpoolMessage& found,
                   CommandIo& io) {
    io.out << "History, as far as it is still in the spool:\n";
    std::vector<std::optional<queue::RecipientState>> before;
    for (const auto& event : history) {
        const char* what = event.type == RecordType::enqueue ? "queued"
                           : event.type == RecordType::done  ? "finished"
                                                             : "changed";
        io.out << "  " << what << " (" << event.path << ", byte " << event.offset << ")\n";
        if (event.type == RecordType::state) write_state(event, before, found, io);
    }
}

}  // namespace

int run_spool_cat(queue::segment_log::Disk& disk, const Invocation& invocation, CommandIo& io) {
    const auto id = queue::parse_id(invocation.filter.id);
    if (!id || *id == 0) return fail(io, "\"" + invocation.filter.id + "\" is no queue id");
    const auto view = open_view(disk, io, *id);
    if (!view) return exit_failed;
    const auto found = view->read(*id);
    if (!found) {
        warn_of_problems(disk, *view, io);
        return fail(io, found.error().text);
    }
    if (invocation.json) {
        auto out = to_json(*found->message, found->states);
        out["done"] = found->is_done;
        write_json(io.out, out);
        return exit_fine;
    }
    if (!invocation.spool.raw) {
        write_envelope(*found, io);
        write_history(view->history(), *found, io);
        io.out << '\n';
    }
    const auto read = view->read_body(*found, [&](std::string_view bytes) {
        io.out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        return io.out.good();
    });
    io.out.flush();
    if (!io.out.good()) return fail(io, "the message could not be written to standard output");
    if (!read) return fail(io, "message " + queue::format_id(*id) + ": " + read.error().text);
    return exit_fine;
}

}  // namespace mta::cli
