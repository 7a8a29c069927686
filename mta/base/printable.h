#pragma once
#include <string>
#include <string_view>

namespace mta {

// Makes untrusted text safe for a terminal: one line of well-formed UTF-8. A line end becomes
// " / ", other ASCII controls are left out. U+FFFD replaces bytes that are not UTF-8, and
// characters that could move the cursor or change the order of reading: C1 controls (U+009B begins
// a control sequence like ESC [), line separators, the marks of bidirectional text, and the byte
// order mark.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace mta
