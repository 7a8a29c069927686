#include "mta/api/selection.h"

#include <algorithm>
#include <array>
#include <optional>

#include "mta/base/domain.h"
#include "mta/base/time_format.h"

namespace mta::api {
namespace {

using outbound::MessageFilter;
using outbound::ViewState;

constexpr std::array<std::pair<std::string_view, ViewState>, 4> states = {
    {{"queued", ViewState::queued},
     {"delivering", ViewState::delivering},
     {"held", ViewState::held},
     {"in_doubt", ViewState::in_doubt}}};

// A sentence about a value that is wrong; empty if it was taken.
using Complaint = std::optional<std::string>;
using Take = Complaint (*)(MessageFilter& filter, const std::string& value, Instant now);

std::string quoted(const std::string& value) { return '"' + value + '"'; }

Complaint take_id(MessageFilter& filter, const std::string& value, Instant /*now*/) {
    filter.id = queue::parse_id(value);
    if (!filter.id) return quoted(value) + " is no queue id";
    return std::nullopt;
}

Complaint take_domain(MessageFilter& filter, const std::string& value, Instant /*now*/) {
    const auto domain = domain_form(value);
    if (!domain) return quoted(value) + " is no domain";
    filter.domain = *domain;
    return std::nullopt;
}

Complaint take_sender(MessageFilter& filter, const std::string& value, Instant /*now*/) {
    filter.sender = value == "<>" ? std::string() : value;
    return std::nullopt;
}

Complaint take_recipient(MessageFilter& filter, const std::string& value, Instant now) {
    if (value.starts_with('@')) return take_domain(filter, value.substr(1), now);
    filter.recipient = value;
    return std::nullopt;
}

Complaint take_message_id(MessageFilter& filter, const std::string& value, Instant /*now*/) {
    filter.message_id = queue::bare_message_id(value);
    if (filter.message_id.empty()) return quoted(value) + " is no Message-ID";
    return std::nullopt;
}

Complaint take_host(MessageFilter& filter, const std::string& value, Instant /*now*/) {
    filter.host = value;
    return std::nullopt;
}

Complaint take_reply(MessageFilter& filter, const std::string& value, Instant /*now*/) {
    filter.reply = value;
    return std::nullopt;
}

Complaint take_state(MessageFilter& filter, const std::string& value, Instant /*now*/) {
    const auto* const found =
        std::ranges::find(states, value, [](const auto& row) { return row.first; });
    if (found == states.end()) {
        return quoted(value) + " is no state; there are queued, delivering, held and in_doubt";
    }
    filter.state = found->second;
    return std::nullopt;
}

Complaint take_age(std::optional<Instant>& limit, const std::string& value, Instant now) {
    const auto age = parse_duration(value);
    if (!age) return quoted(value) + " is no age; write it as 90s, 5m, 4h or 2d";
    limit = now - *age;
    return std::nullopt;
}
Complaint take_older(MessageFilter& filter, const std::string& value, Instant now) {
    return take_age(filter.arrived_before, value, now);
}
Complaint take_younger(MessageFilter& filter, const std::string& value, Instant now) {
    return take_age(filter.arrived_after, value, now);
}

Complaint take_size(std::optional<std::uint64_t>& limit, const std::string& value) {
    limit = parse_size(value);
    if (!limit) return quoted(value) + " is no size; write it as 512B, 10kB, 5MB or 1GB";
    return std::nullopt;
}
Complaint take_larger(MessageFilter& filter, const std::string& value, Instant /*now*/) {
    return take_size(filter.larger_than, value);
}
Complaint take_smaller(MessageFilter& filter, const std::string& value, Instant /*now*/) {
    return take_size(filter.smaller_than, value);
}

constexpr std::array<std::pair<std::string_view, Take>, 12> parts = {{
    {"id", take_id},
    {"message_id", take_message_id},
    {"from", take_sender},
    {"to", take_recipient},
    {"domain", take_domain},
    {"host", take_host},
    {"state", take_state},
    {"older", take_older},
    {"younger", take_younger},
    {"larger", take_larger},
    {"smaller", take_smaller},
    {"reply", take_reply},
}};

}  // namespace

std::optional<std::string> domain_form(std::string_view value) {
    const bool is_subtree = value.starts_with('.');
    if (value.starts_with('[')) return to_lower(value);
    auto domain = to_a_labels(value.substr(is_subtree));
    if (domain && is_subtree) domain->insert(0, 1, '.');
    return domain;
}

std::string_view to_string(ViewState state) {
    for (const auto& [name, value] : states) {
        if (value == state) return name;
    }
    return "done";
}

bool is_filter_name(std::string_view name) {
    return std::ranges::any_of(parts, [name](const auto& part) { return part.first == name; });
}

std::expected<MessageFilter, std::string> parse_filter(
    const std::map<std::string, std::string>& values, Instant now) {
    MessageFilter filter;
    for (const auto& [name, take] : parts) {
        const auto given = values.find(std::string(name));
        if (given == values.end() || given->second.empty()) continue;
        if (auto complaint = take(filter, given->second, now)) {
            return std::unexpected(std::move(*complaint));
        }
    }
    return filter;
}

}  // namespace mta::api
