#include "mta/events/log_lines.h"

#include <string>
#include <string_view>

#include "mta/base/time_format.h"

namespace mta::events {
namespace {

// "mx1.them.example [192.0.2.1]:25" without the blank, which would have to be quoted.
std::string host_of(std::string_view remote) {
    std::string host(remote);
    const auto blank = host.find(" [");
    if (blank != host.npos) host.erase(blank, 1);
    return host;
}

std::string joined(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') {
            out += " / ";
        } else if (c != '\r') {
            out += c;
        }
    }
    return out;
}

// "3d4h", which needs no quotes.
std::string duration(Millis length) {
    auto text = format_duration(length);
    std::erase(text, ' ');
    return text;
}

LogLine begin(std::string_view event, queue::MessageId id) {
    LogLine line(event);
    line.with("id", queue::format_id(id));
    return line;
}

LogLine begin(std::string_view event, const RecipientRef& recipient) {
    auto line = begin(event, recipient.id);
    if (recipient.address.empty()) {
        line.with("recipient", recipient.recipient).with("domain", recipient.domain);
    } else {
        line.with("to", recipient.address);
    }
    line.with_if("source", recipient.source);
    return line;
}

LogLine begin(std::string_view event, const SessionRef& session) {
    LogLine line(event);
    line.with("session", session.number).with("client", session.client.to_string());
    return line;
}

void add(LogLine& line, const DeliveryError& error) {
    line.with_if("host", host_of(error.remote));
    if (error.reply_code != 0) line.with("code", error.reply_code);
    if (error.status.klass != 0) line.with("status", to_string(error.status));
    line.with("text", joined(error.text));
}

void add_next(LogLine& line, Instant next) {
    if (next != Instant{}) line.with("next", format_rfc3339(next));
}

std::string_view name_of(ReportKind kind) {
    switch (kind) {
        case ReportKind::failure: return "failure";
        case ReportKind::delay: return "delay";
        case ReportKind::relayed: return "relayed";
    }
    return "failure";
}

std::string_view name_of(ReportDropped::Reason reason) {
    using Reason = ReportDropped::Reason;
    switch (reason) {
        case Reason::null_sender: return "null_sender";
        case Reason::not_wanted: return "not_wanted";
        case Reason::not_made: return "not_made";
    }
    return "not_made";
}

// ---- Attempts ----

LogLine line(const AttemptStarted& event) {
    auto line = begin("attempt", event.id);
    line.with("destination", event.destination).with("recipients", event.recipients);
    return line;
}

LogLine line(const HostFailed& event) {
    auto line = begin("host_failed", event.id);
    line.with_if("destination", event.destination);
    add(line, event.error);
    return line;
}

LogLine line(const Postponed& event) {
    auto line = begin("postponed", event.id);
    line.with_if("destination", event.destination);
    add(line, event.error);
    add_next(line, event.next_due);
    return line;
}

// ---- Recipients ----

LogLine line(const Delivered& event) {
    auto line = begin("delivered", event.recipient);
    line.with_if("host", host_of(event.remote))
        .with("code", event.reply_code)
        .with("text", joined(event.reply))
        .with("attempt", event.attempts)
        .with("delay", duration(event.age));
    return line;
}

LogLine line(const Deferred& event) {
    auto line = begin("deferred", event.recipient);
    add(line, event.error);
    line.with("attempt", event.attempts).with("next", format_rfc3339(event.next_due));
    return line;
}

LogLine line(const Failed& event) {
    auto line = begin("bounced", event.recipient);
    add(line, event.error);
    return line;
}

LogLine line(const Expired& event) {
    auto line = begin("expired", event.recipient);
    add(line, event.last_error);
    return line;
}

LogLine line(const InDoubt& event) {
    auto line = begin("in_doubt", event.recipient);
    add(line, event.error);
    add_next(line, event.next_due);
    return line;
}

// ---- Messages ----

LogLine line(const Received& event) {
    const auto& message = *event.message;
    const auto& envelope = message.envelope;
    auto line = begin("received", message.id);
    line.with("from",
              envelope.reverse_path.empty() ? "<>" : std::string_view(envelope.reverse_path));
    if (envelope.recipients.size() == 1) line.with("to", envelope.recipients[0].address);
    line.with_if("client", host_of(event.client))
        .with("size", message.facts.size)
        .with("recipients", envelope.recipients.size())
        .with_if("message_id", message.message_id);
    const auto& requests = envelope.requests;
    if (requests.priority != 0) line.with("priority", requests.priority);
    if (requests.release != Instant{}) line.with("release", format_rfc3339(requests.release));
    if (requests.deliver_by.mode != ByMode::none) {
        const bool is_return = requests.deliver_by.mode == ByMode::give_back;
        line.with("deliver_by", format_rfc3339(requests.deliver_by.at))
            .with("or", is_return ? "return" : "notify");
    }
    return line;
}

LogLine line(const Completed& event) {
    auto line = begin("completed", event.id);
    line.with("delay", duration(event.age));
    return line;
}

LogLine line(const Cancelled& event) {
    auto line = begin("cancelled", event.id);
    line.with("recipients", event.recipients);
    return line;
}

LogLine line(const Unreadable& event) {
    auto line = begin("unreadable", event.id);
    line.with("text", event.reason);
    return line;
}

// ---- Reports ----

LogLine line(const ReportQueued& event) {
    auto line = begin("report_queued", event.id);
    line.with("report", queue::format_id(event.report))
        .with("kind", name_of(event.kind))
        .with("to", event.to);
    return line;
}

LogLine line(const ReportDropped& event) {
    auto line = begin("report_dropped", event.recipient);
    line.with("reason", name_of(event.reason));
    return line;
}

// ---- Destinations ----

LogLine line(const DestinationDown& event) {
    LogLine line("destination_down");
    line.with("destination", event.destination);
    add(line, event.error);
    add_next(line, event.next_probe);
    line.with("waiting", event.waiting);
    return line;
}

LogLine line(const DestinationUp& event) {
    LogLine line("destination_up");
    line.with("destination", event.destination)
        .with("down_for", duration(event.down_for))
        .with("waiting", event.waiting);
    return line;
}

LogLine line(const SourceSuspended& event) {
    LogLine line("source_suspended");
    line.with("destination", event.destination).with("source", event.source);
    add(line, event.error);
    line.with("until", format_rfc3339(event.until));
    return line;
}

// ---- Clients ----

LogLine line(const SessionBegan& event) { return begin("connected", event.session); }

LogLine line(const NotAccepted& event) {
    auto line = begin("not_accepted", event.session);
    line.with("from", event.from).with("reason", event.reason);
    return line;
}

LogLine line(const NotStored& event) {
    auto line = begin("not_stored", event.session);
    line.with("id", queue::format_id(event.id)).with("reason", event.reason);
    return line;
}

LogLine line(const Aborted& event) {
    auto line = begin("aborted", event.session);
    line.with("id", queue::format_id(event.id))
        .with("from", event.from)
        .with("reason", event.reason);
    return line;
}

LogLine line(const MailCalledFor& event) {
    auto line = begin("etrn", event.session);
    line.with("node", event.node).with("reply", event.reply);
    return line;
}

LogLine line(const CommandRefused& event) {
    auto line = begin("refused", event.session);
    line.with("command", event.command).with("reply", event.reply).with_if("cause", event.cause);
    return line;
}

LogLine line(const SessionEnded& event) {
    auto line = begin("disconnected", event.session);
    line.with("reason", event.reason).with_if("text", event.text);
    return line;
}

LogLine line(const ConnectionsRefused& event) {
    LogLine line("connections_refused");
    line.with("count", event.too_many + event.from_address + event.from_network);
    if (event.too_many > 0) line.with("too_many", event.too_many);
    if (event.from_address > 0) line.with("from_address", event.from_address);
    if (event.from_network > 0) line.with("from_network", event.from_network);
    line.with("last_client", event.last_client.to_string());
    return line;
}

LogLine line(const ConnectionsScarce& event) {
    LogLine line(event.is_scarce ? "connections_scarce" : "connections_plenty");
    line.with("used", event.used).with("max", event.max);
    return line;
}

LogLine line(const AcceptingPaused& event) {
    LogLine line("accepting_paused");
    line.with("reason", event.reason)
        .with("text", "new clients wait; raise LimitNOFILE= or ulimit -n");
    return line;
}

// ---- The spool ----

LogLine line(const SpoolOpened& event) {
    LogLine line("spool_open");
    line.with("path", event.path)
        .with("segments", event.segments)
        .with("torn_tail", event.has_torn_tail);
    return line;
}

LogLine line(const SpoolLoaded& event) {
    LogLine line("spool_loaded");
    line.with("queued", event.queued);
    return line;
}

LogLine line(const SpoolDamaged& event) {
    LogLine line("spool_damage");
    line.with("segment", event.segment)
        .with("offset", event.offset)
        .with("bytes", event.bytes)
        .with("what", event.what)
        .with("kept_in", event.kept_in);
    return line;
}

LogLine line(const SpoolNote& event) {
    LogLine line("spool_note");
    line.with("text", event.text);
    return line;
}

LogLine line(const SpoolFailed& event) {
    LogLine line("spool_failed");
    line.with("path", event.path)
        .with("reason", event.reason)
        .with("text", "stopping; look at the disk, then start again");
    return line;
}

LogLine line(const HintsNotKept& event) {
    LogLine line("hints_not_kept");
    line.with("reason", event.reason)
        .with("text", "after a restart destinations that are down are tried afresh");
    return line;
}

// ---- The relay itself ----

LogLine line(const Ready& event) {
    LogLine line("ready");
    line.with("version", event.version).with("hostname", event.hostname);
    for (const auto& address : event.listening) line.with("listening", address);
    return line;
}

LogLine line(const Advice& event) {
    LogLine line("advice");
    line.with("text", event.text);
    return line;
}

LogLine line(const Reloaded& event) {
    LogLine line("reloaded");
    line.with("config", event.config);
    return line;
}

LogLine line(const ReloadProblem& event) {
    LogLine line("reload_problem");
    line.with("problem", event.problem);
    return line;
}

LogLine line(const ReloadRefused& event) {
    LogLine line("reload_refused");
    line.with("config", event.config)
        .with("text", "nothing was changed; mend the file and reload again");
    return line;
}

LogLine line(const Ordered& event) {
    LogLine line("ordered");
    line.with("what", event.what)
        .with("messages", event.messages)
        .with("recipients", event.recipients);
    return line;
}

LogLine line(const ClockLeapt& event) {
    LogLine line("clock_leapt");
    line.with("by", std::to_string(event.by.count() / 1000) + "s");
    return line;
}

LogLine line(const BrokenRecords& event) {
    LogLine line("dns_broken_records");
    line.with("dropped", event.dropped).with("text", event.text).with("answers", event.answers);
    return line;
}

LogLine line(const Draining& event) {
    LogLine line("draining");
    line.with("signal", event.signal).with("patience", format_duration(event.patience));
    return line;
}

LogLine line(const Stopped& event) {
    LogLine line("stopped");
    line.with("exit_status", event.exit_status);
    return line;
}

// ---- Levels: info, unless said otherwise here ----

std::optional<Level> level(const auto&) { return Level::info; }
std::optional<Level> level(const AttemptStarted&) { return Level::debug; }
std::optional<Level> level(const HostFailed&) { return Level::debug; }
std::optional<Level> level(const Failed&) { return Level::warning; }
std::optional<Level> level(const Expired&) { return Level::warning; }
std::optional<Level> level(const InDoubt&) { return Level::warning; }
std::optional<Level> level(const Cancelled&) { return Level::warning; }
std::optional<Level> level(const Unreadable&) { return Level::error; }
std::optional<Level> level(const DestinationDown&) { return Level::warning; }
std::optional<Level> level(const SourceSuspended&) { return Level::warning; }
std::optional<Level> level(const SessionBegan&) { return Level::debug; }
std::optional<Level> level(const NotAccepted&) { return Level::warning; }
std::optional<Level> level(const NotStored&) { return Level::error; }
std::optional<Level> level(const AcceptingPaused&) { return Level::warning; }
std::optional<Level> level(const SpoolDamaged&) { return Level::error; }
std::optional<Level> level(const SpoolNote&) { return Level::warning; }
std::optional<Level> level(const SpoolFailed&) { return Level::error; }
std::optional<Level> level(const HintsNotKept&) { return Level::warning; }
std::optional<Level> level(const Advice&) { return Level::warning; }
std::optional<Level> level(const ReloadProblem&) { return Level::error; }
std::optional<Level> level(const ReloadRefused&) { return Level::error; }
std::optional<Level> level(const ClockLeapt&) { return Level::warning; }
std::optional<Level> level(const SessionEnded& event) {
    return event.is_ordinary ? Level::debug : Level::info;
}
// Where the sender wants no report, none is missing.
std::optional<Level> level(const ReportDropped& event) {
    return event.reason == ReportDropped::Reason::not_wanted ? Level::info : Level::warning;
}

}  // namespace

LogLine line_of(const Event& event) {
    return std::visit([](const auto& each) { return line(each); }, event);
}

std::optional<Level> level_of(const Event& event) {
    return std::visit([](const auto& each) { return level(each); }, event);
}

}  // namespace mta::events
