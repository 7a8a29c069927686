#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "mta/base/ip_address.h"

namespace dns {

// Names here are in the form of mta::to_a_labels(): lower case, A-labels, no trailing dot; "." is
// the root (null MX).

struct MxRecord {
    std::uint16_t preference = 0;
    std::string exchange;
    bool operator==(const MxRecord&) const = default;
};

using MxRecords = std::vector<MxRecord>;
using Addresses = std::vector<mta::IpAddress>;

// The records of one answer, in the order of the answer. The question's type decides which list it
// is: MxRecords for MX, Addresses for A and AAAA.
using RecordSet = std::variant<MxRecords, Addresses>;

}  // namespace dns
