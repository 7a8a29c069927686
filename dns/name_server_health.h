#pragma once
#include <cstdint>
#include <optional>

#include "mta/base/ip_address.h"
#include "mta/base/time.h"

namespace dns {

// Decides whether a name server may be asked first. It has no access to a network or a clock.
//
// A single timeout says little, because the servers of that domain may be off. Several in a row say
// that the name server itself is off. It is asked last then, except for one question in each
// unwell_for, which finds out whether it is back.
class NameServerHealth {
public:
    static constexpr mta::Millis unwell_for{30'000};
    static constexpr std::uint32_t timeouts_in_a_row_max = 3;

    // True if the server should be asked in its turn. While it is unwell, this is true once in each
    // unwell_for.
    [[nodiscard]] bool may_go_first(mta::Instant now);
    void on_answer();  // of any kind
    void on_timeout(mta::Instant now);
    void on_unreachable(mta::Instant now) { probe_at_ = now + unwell_for; }
    [[nodiscard]] bool is_well() const { return !probe_at_; }

private:
    std::uint32_t timeouts_in_a_row_ = 0;
    std::optional<mta::Instant> probe_at_;  // set while the server is unwell
};

}  // namespace dns
