#pragma once
#include <cstdint>

#include "queue/message.h"

namespace mta::report {

// What a report (DSN) tells its reader. A relay never makes `delivered` or `expanded`: it hands
// mail to the next SMTP host and keeps no mailboxes or lists (RFC 3464 section 2.3.3).
enum class DsnKind : std::uint8_t {
    failure,  // "failed": given up, or expired
    delay,    // "delayed": still trying
    relayed,  // "relayed": taken by a host that makes no reports itself
};

// Whether the sender is to hear of this outcome of this recipient (RFC 3461 sections 4.1 and 5.2).
//
//   NOTIFY       failure   delay    relayed
//   not given    yes       yes      no
//   NEVER        no        no       no
//   otherwise    FAILURE   DELAY    SUCCESS
//
// A message of the null sender is never reported about, so no report about a report can be: the
// caller drops it and logs `report_dropped`. For `relayed` the caller has seen that the next hop
// did not offer DSN; a hop that did got the request passed on and answers it itself.
[[nodiscard]] bool is_report_wanted(const queue::Envelope& envelope,
                                    const queue::Recipient& recipient, DsnKind kind);

}  // namespace mta::report
