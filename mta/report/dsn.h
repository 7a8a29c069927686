#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mta/outbound/report_request.h"
#include "queue/message.h"

namespace mta::report {

// So much of the original goes back with a failure at most; a larger one is returned as its header.
inline constexpr std::size_t returned_bytes_max = 50'000;
static_assert(returned_bytes_max <= outbound::report_head_bytes);

// Who we are, in a report.
struct Reporter {
    std::string hostname;    // a valid domain: in Reporting-MTA, From and Message-ID
    std::string postmaster;  // whom the reader may ask for help; empty: postmaster@hostname
    // A random number, another one for each call: ids alone are unique in one spool only.
    std::uint64_t salt = 0;
};

// Writes the report that informs the sender of the original what became of the message: a
// multipart/report of RFC 3464 in RFC 6522's form: words for people, the fields for machines, and
// the original or its header. It is 7-bit whatever the original is, so that any host can take it;
// only the address of a sender whose local part is in UTF-8 needs SMTPUTF8.
//
//   failure   returns the message, or only its header if RET=HDRS asked so, if it has more than
//             returned_bytes_max bytes, is not made of plain lines or has 8-bit bytes
//   delay     returns the header; says until when we go on trying. The words list the sender's
//             other messages too; the fields and the header, of which there may be one set in a
//             report (RFC 3464 section 2.1), are the first one's
//   relayed   returns the header; says who took it. A relay never reports `delivered` or
//             `expanded`: it keeps no mailboxes and no lists (RFC 3464 section 2.3.3)
//
// Each report is a complete queue::Message: from the null sender to the original's reverse path,
// NOTIFY=NEVER, `about` the original, its body inline (at most limits::body_inline_bytes_max) and
// its facts true. As a rule there is one; a message with very many recipients gets several, each
// about some of them. `allocate_id` is asked once for each.
//
// None if the original's sender is null, or no address that can be answered.
//
// Whatever remote hosts and the original's author wrote is untrusted: it cannot add a header field,
// end a part or break a line.
[[nodiscard]] std::vector<std::shared_ptr<const queue::Message>> make_dsns(
    const outbound::ReportRequest& request, const Reporter& reporter,
    const std::function<queue::MessageId()>& allocate_id);

}  // namespace mta::report
