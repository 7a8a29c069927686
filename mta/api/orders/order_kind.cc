#include "mta/api/orders/order_kind.h"

#include <algorithm>
#include <array>
#include <utility>

namespace mta::api {
namespace {

using outbound::RecipientHit;
using outbound::RecipientNumbers;
using outbound::ViewState;

constexpr std::string_view bounce_reason_default = "given up by the operator of this relay";

bool is_waiting(const RecipientHit& recipient) {
    return recipient.state == ViewState::queued || recipient.state == ViewState::in_doubt;
}
bool is_stopped(const RecipientHit& recipient) {
    return recipient.state == ViewState::held || recipient.is_for_later;
}
bool is_to_be_tried(const RecipientHit& recipient) {
    return is_waiting(recipient) && !recipient.is_for_later;
}
bool is_at_rest(const RecipientHit& recipient) { return recipient.state != ViewState::delivering; }

Act make_bounce(const OrderValues& values) {
    const auto given = values.find("reason");
    std::string reason(given == values.end() ? bounce_reason_default : given->second);
    return [reason = std::move(reason)](Desk& desk, queue::MessageId id,
                                        const RecipientNumbers& only) {
        return desk.bounce(id, reason, only);
    };
}

constexpr std::array<OrderKind, 5> kinds = {{
    {"/v1/hold", is_waiting, [](const OrderValues&) -> Act { return &Desk::hold; }},
    {"/v1/release", is_stopped, [](const OrderValues&) -> Act { return &Desk::release; }},
    {.path = "/v1/flush",
     .concerns = is_to_be_tried,
     .make = [](const OrderValues&) -> Act { return &Desk::flush; },
     .is_all_by_itself = true},
    {"/v1/cancel", is_at_rest, [](const OrderValues&) -> Act { return &Desk::cancel; }},
    {.path = "/v1/bounce",
     .concerns = is_at_rest,
     .make = make_bounce,
     .reads_messages = true,
     .has_reason = true},
}};

}  // namespace

const OrderKind* find_order(std::string_view path) {
    const auto* const kind = std::ranges::find(kinds, path, &OrderKind::path);
    return kind == kinds.end() ? nullptr : kind;
}

}  // namespace mta::api
