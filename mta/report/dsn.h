#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mta/outbound/report_request.h"
#include "queue/message.h"

namespace mta::report {

// The largest original that a failure report returns whole. Of a larger one it returns the header.
inline constexpr std::size_t returned_bytes_max = 50'000;
static_assert(returned_bytes_max <= outbound::report_head_bytes);

// The relay, as a report names it.
struct Reporter {
    std::string hostname;    // a valid domain: in Reporting-MTA, From and Message-ID
    std::string postmaster;  // the address for questions; empty: postmaster@hostname
    // A random number, a new one for each call: message ids are unique in one spool only.
    std::uint64_t salt = 0;
};

// Makes the report to the original's sender: a multipart/report (RFC 3464 in the form of RFC 6522)
// with words for people, fields for machines, and the original or its header. It is 7-bit even if
// the original is not, so that any host can take it; only a sender's address with a local part in
// UTF-8 needs SMTPUTF8.
//
//   failure   returns the message, or only its header if RET=HDRS asked for that, if it has more
//             than returned_bytes_max bytes, has lines that are not canonical or has 8-bit bytes
//   delay     returns the header; says how long the relay goes on trying. The words also list the
//             sender's other delayed messages; the fields and the header, of which a report may
//             have one set (RFC 3464 section 2.1), are those of the first
//   relayed   returns the header; says which host took the message. A relay never reports
//             `delivered` or `expanded`: it has no mailboxes and no lists (RFC 3464 section 2.3.3)
//
// Each report is a complete queue::Message: from the null sender to the original's reverse path,
// with NOTIFY=NEVER, `about` the original, its body inline (at most limits::body_inline_bytes_max)
// and its facts true. Usually there is one; a message with very many recipients gets several
// reports, each about some of the recipients. `allocate_id` is called once for each. There is no
// report if the original's sender is null or has no address that can be answered.
//
// Text from remote hosts and from the original's author is untrusted: it cannot add a header field,
// end a part or break a line.
[[nodiscard]] std::vector<std::shared_ptr<const queue::Message>> make_dsns(
    const outbound::ReportRequest& request, const Reporter& reporter,
    const std::function<queue::MessageId()>& allocate_id);

}  // namespace mta::report
