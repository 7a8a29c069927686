#pragma once
#include <variant>

#include "mta/events/attempt_events.h"
#include "mta/events/destination_events.h"
#include "mta/events/message_events.h"
#include "mta/events/recipient_events.h"
#include "mta/events/relay_events.h"
#include "mta/events/report_events.h"
#include "mta/events/session_events.h"
#include "mta/events/spool_events.h"

namespace mta::events {

// What the relay did or saw. An event owns everything that it says, so a sink may keep it or hand
// it to another thread. A new event is a struct in the file of its family, a line here, and its
// line of the log in log_lines.cc.
// clang-format off
using Event = std::variant<
    // attempts
    AttemptStarted, HostFailed, Postponed,
    // recipients
    Delivered, Deferred, Failed, Expired, InDoubt,
    // messages
    Received, Completed, Cancelled, Unreadable,
    // reports
    ReportQueued, ReportDropped,
    // destinations
    DestinationDown, DestinationUp, SourceSuspended,
    // clients
    SessionBegan, NotAccepted, NotStored, Aborted, MailCalledFor, CommandRefused, SessionEnded,
    ConnectionsRefused, ConnectionsScarce, AcceptingPaused,
    // the spool
    SpoolOpened, SpoolLoaded, SpoolDamaged, SpoolNote, SpoolFailed, HintsNotKept,
    // the relay itself
    Ready, Advice, Reloaded, ReloadProblem, ReloadRefused, Ordered, ClockLeapt, BrokenRecords,
    Draining, Stopped>;
// clang-format on

}  // namespace mta::events
