#pragma once
#include <cstdint>

#include "mta/outbound/report_request.h"
#include "queue/message.h"

namespace mta::outbound {

// Which reports a sender gets (RFC 3461 section 5). The null sender gets none: a failure of its
// mail is a double bounce.

// `notify` is a recipient's NOTIFY: a set of queue::notify_*.
[[nodiscard]] bool wants_report(std::uint8_t notify, ReportKind kind);

struct HandedOn {
    bool is_dsn_passed_on = false;         // the next hop answers NOTIFY=SUCCESS
    bool is_deliver_by_passed_on = false;  // the next hop minds the time of DELIVERBY
};
// Whether it is reported that the message went on to another host: if NOTIFY=SUCCESS asks for it
// and the next hop does not answer DSN requests itself; or, unless NOTIFY=NEVER, if DELIVERBY asks
// for a trace, or for a notice and the next hop does not know of it (RFC 2852 section 4).
[[nodiscard]] bool is_relay_reported(std::uint8_t notify, const DeliverBy& by,
                                     const HandedOn& handed_on);

}  // namespace mta::outbound
