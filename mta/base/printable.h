#pragma once
#include <string>
#include <string_view>

namespace mta {

// Text from outside for people's eyes and their terminals: one line of well-formed UTF-8. A line
// end becomes " / ", other ASCII controls are left out, and U+FFFD stands for bytes that are no
// UTF-8 and for characters that could move a terminal's cursor or turn the order of what is read
// around: C1 controls (U+009B begins a control sequence like ESC [), line separators, the marks of
// bidirectional text, and the byte order mark.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace mta
