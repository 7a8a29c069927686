#include "dns/record_type.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "dns/wire_reader.h"
#include "tests/dns/message_builder.h"

namespace dns {
namespace {
using test::put_u16;
using test::wire_name;

std::string mx_data(unsigned preference, const std::string& exchange) {
    std::string data;
    put_u16(data, preference);
    return data + exchange;
}

// Reads `data`, which is the whole data of a record.
std::optional<std::string> read(RecordType type, const std::string& data, RecordSet& set) {
    WireReader message(data);
    WireRecord record;
    record.data_end = data.size();
    return read_record(type, message, record, set);
}

TEST(RecordType, each_has_a_name_and_a_subject) {
    EXPECT_EQ(to_string(RecordType::mx), "MX");
    EXPECT_EQ(to_string(RecordType::a), "A");
    EXPECT_EQ(to_string(RecordType::aaaa), "AAAA");
    EXPECT_EQ(subject_of(RecordType::mx), Subject::domain);
    EXPECT_EQ(subject_of(RecordType::a), Subject::host);
    EXPECT_EQ(subject_of(RecordType::aaaa), Subject::host);
}

TEST(RecordType, mx_records_are_read_in_their_order) {
    RecordSet set;
    EXPECT_EQ(read(RecordType::mx, mx_data(258, wire_name("MX.example")), set), std::nullopt);
    EXPECT_EQ(read(RecordType::mx, mx_data(0, wire_name(".")), set), std::nullopt);
    EXPECT_EQ(std::get<MxRecords>(set), (MxRecords{{258, "mx.example"}, {0, "."}}));
}

TEST(RecordType, addresses_of_both_families_are_read) {
    RecordSet set;
    EXPECT_EQ(read(RecordType::a, "\xc0\x01\x02\x03", set), std::nullopt);
    const auto v6 = *mta::IpAddress::parse("2001:db8::1");
    EXPECT_EQ(read(RecordType::aaaa, std::string(v6.bytes().begin(), v6.bytes().end()), set),
              std::nullopt);
    EXPECT_EQ(std::get<Addresses>(set), (Addresses{*mta::IpAddress::parse("192.1.2.3"), v6}));
}

TEST(RecordType, broken_data_is_named_and_leaves_the_set_as_it_is) {
    const struct {
        RecordType type;
        std::string data;
        std::string problem;
    } rows[] = {
        {RecordType::a, "\x01\x02\x03", "a broken A record"},
        {RecordType::a, "\x01\x02\x03\x04\x05", "a broken A record"},
        {RecordType::aaaa, "\x01\x02\x03\x04", "a broken AAAA record"},
        {RecordType::mx, "\x01", "a broken MX record"},
        {RecordType::mx, mx_data(1, "\x05half"), "a broken MX record"},
        {RecordType::mx, mx_data(1, wire_name("mx.example") + "x"), "a broken MX record"},
        {RecordType::mx, mx_data(1, wire_name("bad host")),
         "an MX record that names no valid host"},
    };
    for (const auto& row : rows) {
        RecordSet set = MxRecords{{1, "kept.example"}};
        EXPECT_EQ(read(row.type, row.data, set), row.problem) << row.data;
        EXPECT_EQ(set, RecordSet(MxRecords{{1, "kept.example"}})) << row.data;
    }
}

TEST(RecordType, a_null_mx_beside_broken_records_is_not_usable) {
    const RecordSet null = MxRecords{{0, "."}};
    const RecordSet with_host = MxRecords{{0, "."}, {10, "mx.example"}};
    const RecordSet addresses = Addresses{mta::IpAddress::v4({192, 0, 2, 1})};
    EXPECT_FALSE(is_usable(RecordSet{}, false));
    EXPECT_TRUE(is_usable(null, false));
    EXPECT_FALSE(is_usable(null, true));
    EXPECT_TRUE(is_usable(with_host, true));
    EXPECT_TRUE(is_usable(addresses, true));
}

}  // namespace
}  // namespace dns
