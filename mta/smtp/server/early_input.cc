#include "mta/smtp/server/early_input.h"

namespace mta::smtp {

void EarlyInput::begin_reply(Verb verb, bool is_own, bool is_extended, bool is_greeted) {
    const bool is_about_the_session =
        verb == Verb::starttls || verb == Verb::auth || (verb == Verb::unknown && !is_greeted);
    // The bytes of BDAT follow at once from every client.
    const bool is_pipelined = verb == Verb::bdat || (!ends_group(verb) && is_extended);
    if (is_own && is_about_the_session) {
        verdict_ = Verdict::refused;
    } else if (is_pipelined) {
        verdict_ = Verdict::in_time;
    } else {
        verdict_ = is_own ? Verdict::allowed : Verdict::refused;
    }
}

}  // namespace mta::smtp
