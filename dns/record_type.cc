#include "dns/record_type.h"

#include <algorithm>
#include <array>
#include <utility>

#include "dns/wire_reader.h"
#include "mta/base/assert.h"
#include "mta/base/domain.h"

namespace dns {
namespace {

// What is wrong; empty if all is well.
using Problem = std::optional<std::string>;

// The set's list of this kind. A set begins with the first record that is put into it.
template <class List>
List& list_of(RecordSet& set) {
    if (auto* list = std::get_if<List>(&set)) return *list;
    return set.emplace<List>();
}

Problem read_mx(WireReader& message, const WireRecord& record, RecordSet& set) {
    message.go_to(record.data_at);
    const auto preference = message.take_u16();
    auto exchange = preference ? message.take_name() : std::nullopt;
    if (!exchange || message.at() != record.data_end) return "a broken MX record";
    if (*exchange != "." && !mta::is_valid_domain(*exchange)) {
        return "an MX record that names no valid host";
    }
    list_of<MxRecords>(set).push_back({*preference, std::move(*exchange)});
    return std::nullopt;
}

Problem read_a(WireReader& message, const WireRecord& record, RecordSet& set) {
    if (record.data_size() != 4) return "a broken A record";
    list_of<Addresses>(set).push_back(mta::IpAddress::v4(message.octets<4>(record.data_at)));
    return std::nullopt;
}

Problem read_aaaa(WireReader& message, const WireRecord& record, RecordSet& set) {
    if (record.data_size() != 16) return "a broken AAAA record";
    list_of<Addresses>(set).push_back(mta::IpAddress::v6(message.octets<16>(record.data_at)));
    return std::nullopt;
}

struct Row {
    RecordType type;
    std::string_view name;
    Subject subject;
    Problem (*read)(WireReader& message, const WireRecord& record, RecordSet& set);
};

constexpr std::array<Row, 3> rows = {{
    {RecordType::mx, "MX", Subject::domain, read_mx},
    {RecordType::aaaa, "AAAA", Subject::host, read_aaaa},
    {RecordType::a, "A", Subject::host, read_a},
}};

const Row& row_of(RecordType type) {
    const auto row = std::ranges::find(rows, type, &Row::type);
    MTA_ASSERT(row != rows.end());
    return *row;
}

}  // namespace

std::string_view to_string(RecordType type) { return row_of(type).name; }

Subject subject_of(RecordType type) { return row_of(type).subject; }

std::optional<std::string> read_record(RecordType type, WireReader& message,
                                       const WireRecord& record, RecordSet& set) {
    return row_of(type).read(message, record, set);
}

bool is_usable(const RecordSet& set, bool has_broken) {
    const auto is_null = [](const MxRecord& record) { return record.exchange == "."; };
    if (std::visit([](const auto& list) { return list.empty(); }, set)) return false;
    const auto* mx = std::get_if<MxRecords>(&set);
    return mx == nullptr || !has_broken || !std::ranges::all_of(*mx, is_null);
}

}  // namespace dns
