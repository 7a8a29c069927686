#pragma once
#include <string>
#include <string_view>

namespace mta {

// The mail address with its domain in A-labels, if that makes all of it ASCII. Otherwise it stays
// as it is: its local part needs SMTPUTF8 (RFC 6531).
[[nodiscard]] std::string in_ascii_if_possible(std::string_view address);

}  // namespace mta
