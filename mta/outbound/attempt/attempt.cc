#include "mta/outbound/attempt/attempt.h"

#include <array>
#include <cstddef>
#include <type_traits>

namespace mta::outbound {
namespace {

using namespace attempt_state;

constexpr std::size_t states = std::variant_size_v<AttemptState>;
constexpr std::array<std::string_view, states> names = {"reading",     "admitted", "resolving",
                                                        "paused",      "queued",   "connecting",
                                                        "transacting", "leaving",  "abandoned"};

// From the state of a row to that of a column. Every state may end, too.
//
//   reading      its message has come; or the kept connection is gone, and it has a place instead
//   admitted     the walk says what is next
//   resolving    the same; a long look-up gives its place up
//   paused       the same
//   queued       the host has a slot, or the site has a connection with nothing to do
//   connecting   the session is ready, or came to nothing
//   transacting  another host is asked; or it leads the connection now; or its outcome is ignored
//   leaving      the connection is closed
//   abandoned    it leads the connection now
constexpr bool x = true;
constexpr bool o = false;
// clang-format off
constexpr std::array<std::array<bool, states>, states> transitions = {{
    //                 rea adm res pau que con tra lea aba
    /* reading     */ {{x,  x,  o,  o,  o,  o,  x,  o,  o}},
    /* admitted    */ {{o,  x,  x,  x,  x,  x,  o,  o,  o}},
    /* resolving   */ {{o,  x,  x,  x,  x,  o,  o,  o,  o}},
    /* paused      */ {{o,  x,  x,  x,  x,  o,  o,  o,  o}},
    /* queued      */ {{o,  x,  o,  o,  o,  o,  x,  o,  o}},
    /* connecting  */ {{o,  x,  o,  o,  o,  o,  x,  o,  o}},
    /* transacting */ {{o,  o,  o,  o,  o,  o,  x,  x,  x}},
    /* leaving     */ {{o,  x,  o,  o,  o,  o,  o,  o,  o}},
    /* abandoned   */ {{o,  o,  o,  o,  o,  o,  o,  o,  x}},
}};
// clang-format on

}  // namespace

std::string_view name_of(const AttemptState& state) { return names[state.index()]; }

bool is_legal(const AttemptState& from, const AttemptState& to) {
    return transitions[from.index()][to.index()];
}

ConnectionHandle connection_of(const AttemptState& state) {
    if (const auto* reading = std::get_if<Reading>(&state)) return reading->kept;
    if (const auto* connecting = std::get_if<Connecting>(&state)) return connecting->connection;
    if (const auto* transacting = std::get_if<Transacting>(&state)) return transacting->connection;
    if (const auto* leaving = std::get_if<Leaving>(&state)) return leaving->connection;
    if (const auto* abandoned = std::get_if<Abandoned>(&state)) return abandoned->connection;
    return {};
}

bool leads(const AttemptState& state) {
    if (const auto* transacting = std::get_if<Transacting>(&state)) return transacting->leads;
    if (const auto* abandoned = std::get_if<Abandoned>(&state)) return abandoned->leads;
    return true;
}

Claims claims_of(const AttemptState& state) {
    Claims claims;
    claims.connection = static_cast<bool>(connection_of(state));
    if (std::holds_alternative<Reading>(state)) claims.place = !claims.connection;
    if (std::holds_alternative<Admitted>(state)) claims.place = true;
    if (const auto* resolving = std::get_if<Resolving>(&state)) {
        claims.place = resolving->place.has_value();
        claims.is_in_long_look_up = !resolving->place;
    }
    if (const auto* paused = std::get_if<Paused>(&state)) claims.place = paused->place.has_value();
    claims.is_queued = std::holds_alternative<Queued>(state);
    return claims;
}

}  // namespace mta::outbound
