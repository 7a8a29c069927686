#pragma once
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/time.h"
#include "mta/outbound/desk/message_filter.h"

namespace mta::admin {

// The names of a filter's parts in requests: id, message_id, from, to, domain, host, state, older,
// younger, larger, smaller, reply.
[[nodiscard]] bool is_filter_name(std::string_view name);

// Names that are no part of a filter are left to the caller; empty values count as not given. The
// error is a sentence. `now` is what ages are counted from.
[[nodiscard]] std::expected<outbound::MessageFilter, std::string> parse_filter(
    const std::map<std::string, std::string>& values, Instant now);

[[nodiscard]] std::string_view to_string(outbound::ViewState state);

// "them.example", ".them.example", "[192.0.2.1]" as recipients' domains are kept. Nothing: no
// domain.
[[nodiscard]] std::optional<std::string> domain_form(std::string_view value);

}  // namespace mta::admin
