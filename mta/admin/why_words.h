#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "mta/outbound/queue_view.h"

namespace mta::admin {

// The answers of `posthouse why`: lines for people, in order. Lines that begin with two blanks
// belong to the one before; they are not wrapped here.
using Lines = std::vector<std::string>;

// Where it is, since when, what each recipient waits for, what was tried, what happens next, and
// what the operator can do.
[[nodiscard]] Lines words_about(const outbound::MessageView& message, Instant now);

[[nodiscard]] Lines words_about(const outbound::DomainView& domain, Instant now);

// What became of a recipient who is not in the queue any more.
[[nodiscard]] Lines words_about(const outbound::EndingView& ending, Instant now);

// Nothing in the queue for it.
[[nodiscard]] Lines words_about_unknown_id(std::string_view id);
[[nodiscard]] Lines words_about_unknown_message_id(std::string_view message_id);
[[nodiscard]] Lines words_about_unknown_address(std::string_view address);
[[nodiscard]] Lines words_about_unknown_domain(std::string_view domain);
// Nothing may only be so far.
[[nodiscard]] Lines words_about_loading();

// "in 4m (04:05:06 UTC)", "2h 5m ago (2026-11-22 02:00:01 UTC)": without the date if it is within
// a day.
[[nodiscard]] std::string when(Instant time, Instant now);

}  // namespace mta::admin
