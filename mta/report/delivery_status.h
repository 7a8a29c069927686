#pragma once
#include <string>

#include "mta/outbound/report_request.h"
#include "mta/report/mime.h"

namespace mta::report {

// The fields for machines: the content of message/delivery-status (RFC 3464 section 2), in ASCII
// with CRLF line ends. Addresses in UTF-8 have the form that RFC 6533 section 3 defines for 7-bit
// transport. The caller puts an empty line behind each group but the last.

// About the message.
[[nodiscard]] std::string per_message_fields(const outbound::ReportRequest& request,
                                             std::string_view hostname);

// About one recipient.
[[nodiscard]] std::string per_recipient_fields(const outbound::ReportRequest& request,
                                               const outbound::RecipientOutcome& outcome);

// The lines of the remote host's reply, each a clean line in `charset`:
// {"550-5.1.1 first", "550 5.1.1 second"}. A reply that is too long is cut. Empty if there was no
// reply.
[[nodiscard]] std::vector<std::string> quoted_reply(const DeliveryError& error, Charset charset);

}  // namespace mta::report
