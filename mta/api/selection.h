#pragma once
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/time.h"
#include "mta/outbound/desk/message_filter.h"

namespace mta::api {

// The names of a filter's parts in requests: id, message_id, from, to, domain, host, state, older,
// younger, larger, smaller, reply.
[[nodiscard]] bool is_filter_name(std::string_view name);

// Reads the parts of a filter from the parameters of a request. It ignores other names and empty
// values. Ages count from `now`. The error is a sentence.
[[nodiscard]] std::expected<outbound::MessageFilter, std::string> parse_filter(
    const std::map<std::string, std::string>& values, Instant now);

[[nodiscard]] std::string_view to_string(outbound::ViewState state);

// "them.example", ".them.example" or "[192.0.2.1]" in the form in which the queue keeps the domains
// of recipients. Empty if it is no domain.
[[nodiscard]] std::optional<std::string> domain_form(std::string_view value);

}  // namespace mta::api
