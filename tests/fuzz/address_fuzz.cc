// Property: an accepted address is within the limits, has no control character, and reads back as
// the same address.
#include <algorithm>
#include <cstdint>

#include "mta/base/assert.h"
#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/smtp/syntax/address.h"

namespace {

using namespace mta;
using namespace mta::smtp;

void check(const Address& address) {
    const auto text = address.text();
    MTA_ASSERT(std::ranges::none_of(
        text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }));
    MTA_ASSERT(mta::is_utf8(text));
    MTA_ASSERT(text.size() <= mta::limits::address_bytes_max);
    MTA_ASSERT(address.local_part.size() <= mta::limits::local_part_bytes_max);
    MTA_ASSERT(address.is_literal() == address.canonical_domain.starts_with('['));
    MTA_ASSERT(address.is_literal() || mta::is_valid_domain(address.canonical_domain));
    MTA_ASSERT(parse_mailbox(text) == address);
    const auto path = '<' + text + '>';
    std::string_view input = path;
    MTA_ASSERT(take_path(input, PathKind::forward) == address);
    MTA_ASSERT(input.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    for (const auto kind : {PathKind::reverse, PathKind::forward}) {
        auto input = bytes;
        const auto address = take_path(input, kind);
        if (!address) {
            MTA_ASSERT(input == bytes);
            continue;
        }
        MTA_ASSERT(bytes.substr(0, bytes.size() - input.size()).ends_with('>'));
        if (!address->is_null() && !address->is_bare_postmaster()) check(*address);
    }
    if (const auto address = parse_mailbox(bytes)) check(*address);
    return 0;
}
