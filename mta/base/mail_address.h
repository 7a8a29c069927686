#pragma once
#include <string>
#include <string_view>

namespace mta {

// The two parts of a mail address, which they refer to.
struct AddressParts {
    std::string_view local_part;
    std::string_view domain;  // empty if the address has no '@', or nothing behind it
};

// Splits an address at its last '@': a quoted local part may have others. Without an '@' all of it
// is the local part.
[[nodiscard]] constexpr AddressParts split_address(std::string_view address) {
    const auto at = address.rfind('@');
    if (at == address.npos) return {address, {}};
    return {address.substr(0, at), address.substr(at + 1)};
}

// The domain of an address in the form in which recipients have it: that of to_a_labels(), or in
// lower case if it has none. Address literals too are in lower case.
[[nodiscard]] std::string domain_of_address(std::string_view address);

// The address with its domain in A-labels, if that makes all of it ASCII. Otherwise the unchanged
// address: its local part needs SMTPUTF8 (RFC 6531).
[[nodiscard]] std::string in_ascii_if_possible(std::string_view address);

}  // namespace mta
