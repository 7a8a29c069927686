#include "mta/smtp/client/session_break.h"

namespace mta::smtp {

DeliveryError SessionBreak::error_at(Stage stage) const {
    if (const auto* const loss = std::get_if<Loss>(&cause))
        return error_from_loss(stage, loss->reason);
    if (const auto* const nonsense = std::get_if<Nonsense>(&cause))
        return error_from_nonsense(stage, nonsense->error);
    if (const auto* const refusal = std::get_if<Refusal>(&cause))
        return error_from_reply(refusal->stage.value_or(stage), refusal->reply);
    if (const auto* const unexpected = std::get_if<Unexpected>(&cause))
        return error_from_unexpected(stage, unexpected->reply);
    return error_from_timeout(stage);
}

}  // namespace mta::smtp
