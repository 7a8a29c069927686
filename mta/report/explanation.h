#pragma once
#include <string>
#include <string_view>

#include "mta/base/outcome.h"

namespace mta::report {

// What went wrong, for a reader who does not know SMTP. Whole sentences.
struct Explanation {
    std::string what;    // "There is no mailbox with this address at them.example."
    std::string advice;  // "Check the spelling ..."
};

// The sentences for the error's cause (diagnosis::diagnose()). `domain` is the recipient's.
[[nodiscard]] Explanation explain(const DeliveryError& error, std::string_view domain);

}  // namespace mta::report
