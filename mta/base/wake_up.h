#pragma once
#include <cstddef>
#include <cstdint>

namespace mta {

// The result of a request to try a destination's mail now (ETRN).
struct WakeUp {
    enum class Kind : std::uint8_t {
        started,          // `recipients` are tried now
        started_unknown,  // likewise, however many there are
        under_way,        // it was started a moment ago, and that counts for this request too
        nothing_waits,
        not_ours,  // no domain that we keep mail for to be fetched
        busy,      // too many requests at a time: the client should ask again later
    } kind = Kind::nothing_waits;
    std::size_t recipients = 0;
};

}  // namespace mta
