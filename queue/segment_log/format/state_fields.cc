#include "queue/segment_log/format/state_fields.h"

#include <cstdint>
#include <utility>

#include "mta/base/outcome.h"
#include "queue/segment_log/format/instants.h"

namespace queue::segment_log {
namespace {

constexpr std::uint8_t flag_in_doubt = 1;
constexpr std::uint8_t flag_told_late = 2;

std::uint8_t flags_of(const RecipientState& state) {
    unsigned flags = 0;
    if (state.in_doubt) flags |= flag_in_doubt;
    if (state.told_late) flags |= flag_told_late;
    return static_cast<std::uint8_t>(flags);
}

}  // namespace

void put_state_fields(std::string& out, const RecipientState& state) {
    put(out, std::to_underlying(state.phase));
    put(out, flags_of(state));
    put(out, state.delay_notices);
    put(out, std::to_underlying(state.last_error.scope));
    put(out, state.attempts);
    put(out, state.last_error.reply_code);
    put_instant(out, state.next_due);
    put_instant(out, state.last_attempt);
    put(out, state.last_error.status.klass);
    put(out, state.last_error.status.subject);
    put(out, state.last_error.status.detail);
}

RecipientState take_state_fields(ByteReader& in) {
    RecipientState state;
    state.phase = take_enum(in, RecipientPhase::cancelled);
    const auto flags = in.take<std::uint8_t>();
    state.in_doubt = (flags & flag_in_doubt) != 0;
    state.told_late = (flags & flag_told_late) != 0;
    state.delay_notices = in.take<std::uint8_t>();
    state.last_error.scope = take_enum(in, mta::Scope::domain);
    state.attempts = in.take<std::uint16_t>();
    state.last_error.reply_code = in.take<std::uint16_t>();
    state.next_due = take_instant(in);
    state.last_attempt = take_instant(in);
    state.last_error.status.klass = in.take<std::uint16_t>();
    state.last_error.status.subject = in.take<std::uint16_t>();
    state.last_error.status.detail = in.take<std::uint16_t>();
    return state;
}

}  // namespace queue::segment_log
