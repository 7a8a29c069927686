#pragma once
#include <optional>

#include "mta/base/time.h"

namespace mta {

// `kept` becomes the earlier of the two; either may be missing.
inline void keep_earlier(std::optional<Instant>& kept, const std::optional<Instant>& at) {
    if (at && (!kept || *at < *kept)) kept = at;
}

// The earliest of some times that may be missing.
class Earliest {
public:
    Earliest() = default;
    explicit Earliest(std::optional<Instant> first) : at_(first) {}

    void consider(std::optional<Instant> at) { keep_earlier(at_, at); }
    // Empty if all were missing.
    [[nodiscard]] const std::optional<Instant>& at() const { return at_; }

private:
    std::optional<Instant> at_;
};

}  // namespace mta
