#pragma once
#include <string>

#include "mta/outbound/report_request.h"
#include "mta/report/mime.h"

namespace mta::report {

// The fields for machines: the content of message/delivery-status (RFC 3464 section 2), in ASCII;
// addresses in UTF-8 are written as RFC 6533 section 3 has it for 7-bit transport. CRLF line ends.

// About the message. An empty line follows each group but the last.
[[nodiscard]] std::string per_message_fields(const outbound::ReportRequest& request,
                                             std::string_view hostname);

// About one recipient.
[[nodiscard]] std::string per_recipient_fields(const outbound::ReportRequest& request,
                                               const outbound::RecipientOutcome& outcome);

// The other host's reply for people and machines, line by line as it came: {"550-5.1.1 first", "550
// 5.1.1 second"}, each a clean line in `charset`, overlong replies cut. Empty: it said nothing.
[[nodiscard]] std::vector<std::string> quoted_reply(const DeliveryError& error, Charset charset);

}  // namespace mta::report
