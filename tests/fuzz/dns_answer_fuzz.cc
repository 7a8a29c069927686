// Property: any message from a name server gives either records of the type that was asked for or
// an error whose text is fit for a log. Names are valid; TTLs and counts are within their limits.
// The same holds for the first half of the message. A good record is never lost because of the
// bytes beside it.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "dns/answer.h"
#include "mta/base/assert.h"
#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "tests/dns/message_builder.h"

namespace {

void check_mx(const dns::Answer& answer) {
    const auto* records = std::get_if<dns::MxRecords>(&*answer.records);
    MTA_ASSERT(records != nullptr && !records->empty());
    MTA_ASSERT(records->size() <= mta::limits::dns_answer_records_max);
    for (const auto& record : *records) {
        MTA_ASSERT(record.exchange == "." || mta::is_valid_domain(record.exchange));
        MTA_ASSERT(mta::to_lower(record.exchange) == record.exchange);
    }
}

void check_addresses(const dns::Answer& answer, dns::RecordType type) {
    const auto* addresses = std::get_if<dns::Addresses>(&*answer.records);
    MTA_ASSERT(addresses != nullptr && !addresses->empty());
    MTA_ASSERT(addresses->size() <= mta::limits::dns_answer_records_max);
    for (const auto& address : *addresses) {
        MTA_ASSERT(type == dns::RecordType::aaaa || !address.is_v6());
    }
}

void check(const dns::Answer& answer, dns::RecordType type) {
    MTA_ASSERT(answer.ttl >= mta::Millis{0});
    if (answer.records) {
        MTA_ASSERT(answer.ttl <= mta::Millis{std::int64_t{INT32_MAX} * 1000});
        if (type == dns::RecordType::mx) return check_mx(answer);
        return check_addresses(answer, type);
    }
    const auto& error = answer.records.error();
    MTA_ASSERT(!error.text.empty() && answer.ttl <= dns::negative_ttl_max);
    MTA_ASSERT(!error.is_temporary() || answer.ttl == mta::Millis{0});
    for (const char c : error.text) MTA_ASSERT(c >= 0x20 && c < 0x7f);
}

void add_good(dns::test::MessageBuilder& reply, const dns::Question& question, bool is_first) {
    if (question.type == dns::RecordType::mx) {
        reply.mx(question.name, is_first ? 1 : 2, "mx.example");
    } else if (question.type == dns::RecordType::a) {
        reply.address(question.name, is_first ? "192.0.2.1" : "192.0.2.2");
    } else {
        reply.address(question.name, is_first ? "2001:db8::1" : "2001:db8::2");
    }
}

// `bytes` as the data of a record between two good ones, and as a whole record behind a good one.
void check_beside_good_ones(const dns::Question& question, std::string_view bytes) {
    using dns::test::MessageBuilder;
    const auto type = static_cast<unsigned>(question.type);
    const auto data = bytes.substr(0, UINT16_MAX);
    MessageBuilder between(question);
    add_good(between, question, true);
    between.record(dns::test::Section::answer, MessageBuilder::pointer(), type, 300, data);
    add_good(between, question, false);
    MessageBuilder behind(question);
    add_good(behind, question, true);
    behind.raw(bytes).more(dns::test::Section::answer, 1);
    MessageBuilder good(question);
    add_good(good, question, true);
    add_good(good, question, false);
    const auto want = dns::parse_answer(good.build(), question, "s").records.value();
    const auto has = [&](const dns::Answer& answer, std::size_t i) {
        if (!answer.records) return false;
        return std::visit(
            [&]<class List>(const List& wanted) {
                return std::ranges::count(std::get<List>(*answer.records), wanted.at(i)) > 0;
            },
            want);
    };
    const auto both = dns::parse_answer(between.build(), question, "s");
    MTA_ASSERT(has(both, 0) && has(both, 1));
    check(both, question.type);
    const auto first = dns::parse_answer(behind.build(), question, "s");
    MTA_ASSERT(has(first, 0));
    check(first, question.type);
}

}  // namespace

// The first byte chooses the question's type; the rest is the message. The name is always the same,
// so that the fuzzer gets past its comparison.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    constexpr dns::RecordType types[] = {dns::RecordType::mx, dns::RecordType::a,
                                         dns::RecordType::aaaa};
    const dns::Question question{"them.example", types[data[0] % 3]};
    // A copy of exactly that size, so that AddressSanitizer sees each read beyond the end.
    const std::string message(reinterpret_cast<const char*>(data + 1), size - 1);
    const auto answer = dns::parse_answer(message, question, "s");
    check(answer, question.type);
    const auto shorter = std::string_view(message).substr(0, message.size() / 2);
    check(dns::parse_answer(shorter, question, "s"), question.type);
    check_beside_good_ones(question, message);
    return 0;
}
