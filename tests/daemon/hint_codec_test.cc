#include "mta/daemon/hint_codec.h"

#include <gtest/gtest.h>

namespace mta::daemon {
namespace {

using outbound::Hint;
using outbound::Hints;

Hints some_hints() {
    return {{Hint::Kind::site, "mx mx1.them.example\nfrom \ntls ",
             queue::Health::Trouble{.down_since = from_unix_ms(1'790'000'000'000),
                                    .next_probe = from_unix_ms(1'790'000'060'123),
                                    .failures = 4,
                                    .error = {.status = {4, 4, 1},
                                              .scope = Scope::host,
                                              .reply_code = 421,
                                              .text = "cannot connect\nat all",
                                              .remote = "mx1.them.example [192.0.2.1]:25"}}},
            {Hint::Kind::address, "192.0.2.1:25",
             queue::Health::Trouble{
                 .down_since = from_unix_ms(1), .next_probe = from_unix_ms(2), .error = {}}},
            {.kind = Hint::Kind::site,
             .key = "mx mx2.them.example\nfrom \ntls ",
             .rates_taken = {.messages = from_unix_ms(3), .connections = std::nullopt},
             .last_answer = from_unix_ms(4)}};
}

TEST(HintCodec, what_is_encoded_can_be_decoded) {
    EXPECT_EQ(decode_hints(encode_hints(some_hints())), some_hints());
    EXPECT_EQ(decode_hints(encode_hints({})), Hints{});
}

TEST(HintCodec, of_incomplete_bytes_there_are_no_hints) {
    const auto bytes = encode_hints(some_hints());
    for (std::size_t length = 0; length < bytes.size(); ++length)
        EXPECT_EQ(decode_hints(std::string_view(bytes).substr(0, length)), std::nullopt) << length;
    EXPECT_EQ(decode_hints(bytes + "x"), std::nullopt);
}

// The spool's checksum finds accidents; whatever else is in the bytes must do no harm.
TEST(HintCodec, of_changed_bytes_there_is_some_answer) {
    const auto bytes = encode_hints(some_hints());
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        auto changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_NE(decode_hints(changed), some_hints()) << at;
    }
}

TEST(HintCodec, of_another_version_there_are_no_hints) {
    auto bytes = encode_hints(some_hints());
    bytes.replace(bytes.find('2'), 1, "1");
    EXPECT_EQ(decode_hints(bytes), std::nullopt);
}

}  // namespace
}  // namespace mta::daemon
