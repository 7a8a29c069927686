#include "mta/base/ascii_address.h"

#include "mta/base/domain.h"

namespace mta {

std::string in_ascii_if_possible(std::string_view address) {
    const auto at = address.rfind('@');
    if (is_ascii(address) || at == address.npos || !is_ascii(address.substr(0, at)))
        return std::string(address);
    const auto domain = to_a_labels(address.substr(at + 1));
    return domain ? std::string(address.substr(0, at + 1)) + *domain : std::string(address);
}

}  // namespace mta
