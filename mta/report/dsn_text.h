#pragma once
#include <string>

#include "mta/outbound/report_request.h"
#include "mta/report/dsn.h"

namespace mta::report {

// The first part of a report, for the sender: UTF-8 or ASCII text with CRLF line ends.

// What happened, and to which message.
[[nodiscard]] std::string text_beginning(const outbound::ReportRequest& request,
                                         const Reporter& reporter);
// address_line() names a recipient. After the lines of all recipients with the same outcome,
// words_about() says what happened, what the remote server replied, and what to do.
[[nodiscard]] std::string address_line(const outbound::ReportRequest& request,
                                       const outbound::RecipientOutcome& outcome);
[[nodiscard]] std::string words_about(const outbound::ReportRequest& request,
                                      const outbound::RecipientOutcome& outcome);
// The sender's other messages that a delay notice lists; empty if there are none. In UTF-8, at most
// listed_bytes_max bytes as quoted-printable.
inline constexpr std::size_t listed_bytes_max = 20'000;
[[nodiscard]] std::string text_about_others(const outbound::ReportRequest& request);
[[nodiscard]] std::string text_end(const outbound::ReportRequest& request,
                                   const Reporter& reporter);

// The subject of the report, in ASCII: "Undeliverable: Lunch on Friday".
[[nodiscard]] std::string subject_of(const outbound::ReportRequest& request);

// "postmaster@mail.office.example"
[[nodiscard]] std::string postmaster_of(const Reporter& reporter);

// "4 hours", "5 days", "90 minutes": rounded, for sentences.
[[nodiscard]] std::string in_words(Millis duration);

}  // namespace mta::report
