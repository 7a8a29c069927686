#pragma once
#include <optional>

#include "mta/base/log.h"
#include "mta/events/event.h"

namespace mta::events {

// The lines of the log: at most one an event, and the whole life of a message under one `id=`.
//
//   received id=00001z from=ann@office.example client="[192.168.0.7]" size=4711 recipients=2
//   delivered id=00001z to=bob@them.example host=mx1.them.example[192.0.2.1]:25 code=250
//             text="2.0.0 ok" attempt=1 delay=2s
//   deferred | in_doubt | bounced | expired    id= to= host= code= status= text= attempt= next=
//   host_failed id= destination= host= ...     one host of an attempt, which goes on to the next
//   postponed id= destination= ...             no host answered; it does not count as an attempt
//   report_queued id= report= kind= to=        the report has an id and lines of its own
//   report_dropped id= to= reason=
//   cancelled id= recipients=       completed id= delay=       unreadable id= text=
//   destination_down destination= ... next= waiting=    destination_up destination= down_for=
//   connected | refused | aborted | disconnected ...    session= client=: the client's side
//
// Names are short and do not change: administrators' scripts read them. `delay` is the time since
// the message arrived, `next` (RFC 3339) the next attempt, `host` the host that answered. `code`
// and `status` are left out if no host answered. The lines of a reply are joined by " / ".
[[nodiscard]] LogLine line_of(const Event& event);

// The level of its line; nothing: the event has no line.
[[nodiscard]] std::optional<Level> level_of(const Event& event);

}  // namespace mta::events
