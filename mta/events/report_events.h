#pragma once
#include <cstdint>
#include <string>

#include "mta/events/recipient_events.h"
#include "queue/message.h"

namespace mta::events {

enum class ReportKind : std::uint8_t { failure, delay, relayed };

// A bounce, a delay notice or a success notice was queued.
struct ReportQueued {
    queue::MessageId id = 0;  // the original
    queue::MessageId report = 0;
    ReportKind kind = ReportKind::failure;
    std::string to;
};

// A failure without a report.
struct ReportDropped {
    enum class Reason : std::uint8_t {
        null_sender,  // a double bounce: the message was itself a report
        not_wanted,   // NOTIFY forbids it
        not_made,     // make_reports() made none, or the original cannot be read
    };
    RecipientRef recipient;
    Reason reason = Reason::null_sender;
};

}  // namespace mta::events
