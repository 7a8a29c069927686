#include "mta/base/mail_address.h"

#include "mta/base/domain.h"

namespace mta {

std::string domain_of_address(std::string_view address) {
    const auto domain = split_address(address).domain;
    if (domain.starts_with('[')) return to_lower(domain);
    return to_a_labels(domain).value_or(to_lower(domain));
}

std::string in_ascii_if_possible(std::string_view address) {
    const auto [local_part, domain] = split_address(address);
    if (is_ascii(address) || domain.empty() || !is_ascii(local_part)) return std::string(address);
    const auto a_labels = to_a_labels(domain);
    return a_labels ? std::string(local_part) + '@' + *a_labels : std::string(address);
}

}  // namespace mta
