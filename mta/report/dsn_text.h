#pragma once
#include <string>

#include "mta/outbound/report_request.h"
#include "mta/report/dsn.h"

namespace mta::report {

// The first part of a report, for the sender: UTF-8 or ASCII text with CRLF line ends.

// What kind of thing happened, to which message.
[[nodiscard]] std::string text_beginning(const outbound::ReportRequest& request,
                                         const Reporter& reporter);
// A line with the recipient's address; then what happened for one or several of the same fate, what
// the other server said, and what to do.
[[nodiscard]] std::string address_line(const outbound::ReportRequest& request,
                                       const outbound::RecipientOutcome& outcome);
[[nodiscard]] std::string words_about(const outbound::ReportRequest& request,
                                      const outbound::RecipientOutcome& outcome);
// The sender's other messages of which a notice of delay tells; empty if there are none. In UTF-8,
// and at most listed_bytes_max bytes as quoted-printable.
inline constexpr std::size_t listed_bytes_max = 20'000;
[[nodiscard]] std::string text_about_others(const outbound::ReportRequest& request);
[[nodiscard]] std::string text_end(const outbound::ReportRequest& request,
                                   const Reporter& reporter);

// Of the report, in ASCII: "Undeliverable: Lunch on Friday".
[[nodiscard]] std::string subject_of(const outbound::ReportRequest& request);

// "postmaster@mail.office.example"
[[nodiscard]] std::string postmaster_of(const Reporter& reporter);

// "4 hours", "5 days", "90 minutes": rounded, for sentences.
[[nodiscard]] std::string in_words(Millis duration);

}  // namespace mta::report
