#include "mta/smtp/server/early_input.h"

namespace mta::smtp {

void EarlyInput::begin_reply(Verb verb, bool is_own, bool is_extended, bool is_greeted) {
    // The bytes of BDAT follow at once from every client.
    if (verb == Verb::bdat) {
        verdict_ = Verdict::in_time;
    } else if (is_own && (verb == Verb::starttls || verb == Verb::auth ||
                          (verb == Verb::unknown && !is_greeted))) {
        verdict_ = Verdict::refused;
    } else if (!ends_group(verb) && is_extended) {
        verdict_ = Verdict::in_time;
    } else {
        verdict_ = is_own ? Verdict::allowed : Verdict::refused;
    }
}

}  // namespace mta::smtp
