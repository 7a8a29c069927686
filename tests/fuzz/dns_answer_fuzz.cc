// Property: whatever a name server sends, the answer is either records of the asked type or an
// error with words that are fit for a log. Names are fit to be asked for; TTLs and counts are
// within their limits. The same holds for the message cut in half.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dns/answer.h"
#include "mta/base/assert.h"
#include "mta/base/domain.h"
#include "mta/base/limits.h"

namespace {

void check_mx(const dns::Answer& answer) {
    MTA_ASSERT(!answer.records->mx.empty() && answer.records->addresses.empty());
    MTA_ASSERT(answer.records->mx.size() <= mta::limits::dns_answer_records_max);
    for (const auto& record : answer.records->mx) {
        MTA_ASSERT(record.exchange == "." || mta::is_valid_domain(record.exchange));
        MTA_ASSERT(mta::to_lower(record.exchange) == record.exchange);
    }
}

void check_addresses(const dns::Answer& answer, dns::RecordType type) {
    MTA_ASSERT(answer.records->mx.empty() && !answer.records->addresses.empty());
    MTA_ASSERT(answer.records->addresses.size() <= mta::limits::dns_answer_records_max);
    for (const auto& address : answer.records->addresses) {
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

}  // namespace

// The first byte chooses the question's type, the rest is the message. The name is always the same,
// so that the fuzzer gets past the comparison.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    constexpr dns::RecordType types[] = {dns::RecordType::mx, dns::RecordType::a,
                                         dns::RecordType::aaaa};
    const dns::Question question{"them.example", types[data[0] % 3]};
    // A copy of exactly that size, so that AddressSanitizer sees a step too far.
    const std::string message(reinterpret_cast<const char*>(data + 1), size - 1);
    const auto answer = dns::parse_answer(message, question, "s");
    check(answer, question.type);
    const auto shorter = std::string_view(message).substr(0, message.size() / 2);
    check(dns::parse_answer(shorter, question, "s"), question.type);
    return 0;
}
