#pragma once
#include <cstdint>
#include <optional>

#include "mta/base/ip_address.h"
#include "mta/base/time.h"

namespace dns {

// Whether a name server is worth asking first. Knows no network and no clock.
//
// A single question without an answer says little (the servers of that domain may be off), several
// in a row say that the server itself is. Then it is asked last, but for one question every
// unwell_for, which finds out whether it is back.
class NameServerHealth {
public:
    static constexpr mta::Millis unwell_for{30'000};
    static constexpr std::uint32_t timeouts_in_a_row_max = 3;

    // True: ask it in its turn. If it is unwell, that is true for one caller each unwell_for.
    [[nodiscard]] bool may_go_first(mta::Instant now);
    void on_answer();  // of any kind
    void on_timeout(mta::Instant now);
    void on_unreachable(mta::Instant now) { probe_at_ = now + unwell_for; }
    [[nodiscard]] bool is_well() const { return !probe_at_; }

private:
    std::uint32_t timeouts_in_a_row_ = 0;
    std::optional<mta::Instant> probe_at_;  // set: unwell
};

}  // namespace dns
