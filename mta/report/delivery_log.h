#pragma once
#include <string_view>

#include "mta/base/log.h"
#include "mta/outbound/delivery_event.h"
#include "queue/message.h"

namespace mta::report {

struct LogEntry {
    Level level = Level::info;
    LogLine line;
};

// One line an event, and the whole life of a message under one `id=`:
//
//   received id=00001z from=ann@office.example client="[192.168.0.7]" size=4711 recipients=2
//   delivered id=00001z to=bob@them.example host=mx1.them.example[192.0.2.1]:25 code=250
//             text="2.0.0 ok" attempt=1 delay=2s
//   deferred | in_doubt | bounced | expired    id= to= host= code= status= text= attempt= next=
//   host_failed id= destination= host= ...     one host of an attempt, which goes on to the next
//   postponed                                  id= destination= ...: nobody answered; no attempt
//   report_queued id= report= kind= to=        the report has an id of its own, and its own lines
//   report_dropped id= to= reason=
//   cancelled id= recipients=       completed id= delay=       unreadable id= text=
//   destination_down destination= ... next= waiting=    destination_up destination= down_for=
//
// Names are short and stay as they are: administrators' scripts read them. `delay` is the time
// since the message arrived; `next` (RFC 3339) the next attempt; `host` who answered; `code` and
// `status` are left out where nobody answered; of a reply in several lines, " / " parts the lines.
[[nodiscard]] LogEntry log_entry(const outbound::DeliveryEvent& event);

// The first line of a message. `client` is who handed it in: "pc.lan [192.168.0.7]".
[[nodiscard]] LogEntry received_entry(const queue::Message& message, std::string_view client);

// Writes them: what the queue manager's hook calls.
class DeliveryLog {
public:
    explicit DeliveryLog(Log& log) : log_(log) {}  // `log` outlives it
    void write(Instant now, const outbound::DeliveryEvent& event);
    void write_received(Instant now, const queue::Message& message, std::string_view client);

private:
    Log& log_;
};

}  // namespace mta::report
