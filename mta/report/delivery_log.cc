#include "mta/report/delivery_log.h"

#include <string>
#include <utility>

#include "mta/base/time_format.h"

namespace mta::report {
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

// Makes lines out of events; one overload an event.
class Writer {
public:
    [[nodiscard]] LogEntry operator()(const outbound::AttemptStarted& event) const {
        auto entry = entry_of(Level::debug, "attempt", event.id);
        entry.line.with("destination", event.destination).with("recipients", event.recipients);
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::Delivered& event) const {
        auto entry = entry_of(Level::info, "delivered", event.recipient);
        entry.line.with_if("host", host_of(event.remote))
            .with("code", event.reply_code)
            .with("text", joined(event.reply))
            .with("attempt", event.attempts)
            .with("delay", duration(event.age));
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::HostFailed& event) const {
        auto entry = entry_of(Level::debug, "host_failed", event.id);
        entry.line.with_if("destination", event.destination);
        add(entry, event.error);
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::Deferred& event) const {
        auto entry = entry_of(Level::info, "deferred", event.recipient);
        add(entry, event.error);
        entry.line.with("attempt", event.attempts).with("next", format_rfc3339(event.next_due));
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::Postponed& event) const {
        auto entry = entry_of(Level::info, "postponed", event.id);
        entry.line.with_if("destination", event.destination);
        add(entry, event.error);
        add_next(entry, event.next_due);
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::Failed& event) const {
        auto entry = entry_of(Level::warning, "bounced", event.recipient);
        add(entry, event.error);
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::Expired& event) const {
        auto entry = entry_of(Level::warning, "expired", event.recipient);
        add(entry, event.last_error);
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::InDoubt& event) const {
        auto entry = entry_of(Level::warning, "in_doubt", event.recipient);
        add(entry, event.error);
        add_next(entry, event.next_due);
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::ReportQueued& event) const {
        auto entry = entry_of(Level::info, "report_queued", event.id);
        entry.line.with("report", queue::format_id(event.report))
            .with("kind", kind_of(event.kind))
            .with("to", event.to);
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::ReportDropped& event) const {
        // Not wanted is the sender's own wish; the others are mail that vanishes unheard.
        const bool is_wish = event.reason == outbound::ReportDropped::Reason::not_wanted;
        auto entry =
            entry_of(is_wish ? Level::info : Level::warning, "report_dropped", event.recipient);
        entry.line.with("reason", reason_of(event.reason));
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::Completed& event) const {
        auto entry = entry_of(Level::info, "completed", event.id);
        entry.line.with("delay", duration(event.age));
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::Cancelled& event) const {
        auto entry = entry_of(Level::warning, "cancelled", event.id);
        entry.line.with("recipients", event.recipients);
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::DestinationDown& event) const {
        LogEntry entry{Level::warning, LogLine("destination_down")};
        entry.line.with("destination", event.destination);
        add(entry, event.error);
        add_next(entry, event.next_probe);
        entry.line.with("waiting", event.waiting);
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::DestinationUp& event) const {
        LogEntry entry{Level::info, LogLine("destination_up")};
        entry.line.with("destination", event.destination)
            .with("down_for", duration(event.down_for))
            .with("waiting", event.waiting);
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::SourceSuspended& event) const {
        LogEntry entry{Level::warning, LogLine("source_suspended")};
        entry.line.with("destination", event.destination).with("source", event.source);
        add(entry, event.error);
        entry.line.with("until", format_rfc3339(event.until));
        return entry;
    }
    [[nodiscard]] LogEntry operator()(const outbound::Unreadable& event) const {
        auto entry = entry_of(Level::error, "unreadable", event.id);
        entry.line.with("text", event.error.text);
        return entry;
    }

private:
    // "3d4h", so that it needs no quotes.
    static std::string duration(Millis length) {
        auto text = format_duration(length);
        std::erase(text, ' ');
        return text;
    }
    static LogEntry entry_of(Level level, std::string_view event, queue::MessageId id) {
        LogEntry entry{level, LogLine(event)};
        entry.line.with("id", queue::format_id(id));
        return entry;
    }
    static LogEntry entry_of(Level level, std::string_view event,
                             const outbound::RecipientRef& recipient) {
        auto entry = entry_of(level, event, recipient.id);
        if (recipient.address.empty()) {
            entry.line.with("recipient", recipient.recipient).with("domain", recipient.domain);
        } else {
            entry.line.with("to", recipient.address);
        }
        entry.line.with_if("source", recipient.source);
        return entry;
    }
    static void add(LogEntry& entry, const DeliveryError& error) {
        entry.line.with_if("host", host_of(error.remote));
        if (error.reply_code != 0) entry.line.with("code", error.reply_code);
        if (error.status.klass != 0) entry.line.with("status", to_string(error.status));
        entry.line.with("text", joined(error.text));
    }
    static void add_next(LogEntry& entry, Instant next) {
        if (next != Instant{}) entry.line.with("next", format_rfc3339(next));
    }
    static std::string_view kind_of(outbound::ReportKind kind) {
        switch (kind) {
            case outbound::ReportKind::failure: return "failure";
            case outbound::ReportKind::delay: return "delay";
            case outbound::ReportKind::relayed: return "relayed";
        }
        return "failure";
    }
    static std::string_view reason_of(outbound::ReportDropped::Reason reason) {
        using Reason = outbound::ReportDropped::Reason;
        switch (reason) {
            case Reason::null_sender: return "null_sender";
            case Reason::not_wanted: return "not_wanted";
            case Reason::not_made: return "not_made";
        }
        return "not_made";
    }
};

}  // namespace

LogEntry log_entry(const outbound::DeliveryEvent& event) { return std::visit(Writer{}, event); }

LogEntry received_entry(const queue::Message& message, std::string_view client) {
    LogEntry entry{Level::info, LogLine("received")};
    const auto& envelope = message.envelope;
    entry.line.with("id", queue::format_id(message.id))
        .with("from",
              envelope.reverse_path.empty() ? "<>" : std::string_view(envelope.reverse_path));
    if (envelope.recipients.size() == 1) entry.line.with("to", envelope.recipients[0].address);
    entry.line.with_if("client", host_of(client))
        .with("size", message.facts.size)
        .with("recipients", envelope.recipients.size())
        .with_if("message_id", message.message_id);
    const auto& requests = envelope.requests;
    if (requests.priority != 0) entry.line.with("priority", requests.priority);
    if (requests.release != Instant{}) entry.line.with("release", format_rfc3339(requests.release));
    if (requests.deliver_by.mode != ByMode::none) {
        const bool is_return = requests.deliver_by.mode == ByMode::give_back;
        entry.line.with("deliver_by", format_rfc3339(requests.deliver_by.at))
            .with("or", is_return ? "return" : "notify");
    }
    return entry;
}

void DeliveryLog::write(Instant now, const outbound::DeliveryEvent& event) {
    const auto entry = log_entry(event);
    log_.write(now, entry.level, entry.line);
}

void DeliveryLog::write_received(Instant now, const queue::Message& message,
                                 std::string_view client) {
    const auto entry = received_entry(message, client);
    log_.write(now, entry.level, entry.line);
}

}  // namespace mta::report
