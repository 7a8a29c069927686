#pragma once
#include <string>
#include <string_view>

#include "mta/base/outcome.h"

namespace mta::report {

// What went wrong, for somebody who has never heard of SMTP. Whole sentences.
struct Explanation {
    std::string what;    // "There is no mailbox with this address at them.example."
    std::string advice;  // "Check the spelling ..."
};

// From the enhanced status (RFC 3463 and the IANA registry); where that says nothing (x.0.0, or a
// class of its own invention), from what mail servers usually write. `domain` is the recipient's.
[[nodiscard]] Explanation explain(const DeliveryError& error, std::string_view domain);

}  // namespace mta::report
