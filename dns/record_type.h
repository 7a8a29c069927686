#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dns/record_set.h"

namespace dns {

class WireReader;
struct WireRecord;

// The types of records that can be asked for, with their numbers (RFC 1035 section 3.2.2 and
// RFC 3596).
//
// Another type takes four steps: its number here, the form of its records in record_set.h, its row
// in the table of record_type.cc, and a function of Resolver that asks for it.
enum class RecordType : std::uint16_t { a = 1, mx = 15, aaaa = 28 };

[[nodiscard]] std::string_view to_string(RecordType type);  // "MX"

// What a question of a type is about. Questions about hosts go first: their domain was looked up a
// moment ago, and a delivery waits for them.
enum class Subject : std::uint8_t { domain, host };
[[nodiscard]] Subject subject_of(RecordType type);

// Reads the data of `record`, which is of this type, and appends it to `set`. If the data is
// broken, `set` stays as it is and the result says what is wrong: "a broken MX record".
[[nodiscard]] std::optional<std::string> read_record(RecordType type, WireReader& message,
                                                     const WireRecord& record, RecordSet& set);

// True if the records can be relied on. `has_broken`: the answer had other records, which could not
// be used. A null MX beside one of those is not all that the domain says, so it does not count.
[[nodiscard]] bool is_usable(const RecordSet& set, bool has_broken);

}  // namespace dns
