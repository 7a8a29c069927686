#include "mta/daemon/hint_file.h"

#include <gtest/gtest.h>

#include "tests/support/fake_disk.h"

namespace mta::daemon {
namespace {

using outbound::Hint;
using outbound::Hints;
using queue::segment_log::FakeDisk;

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

TEST(HintFile, what_is_encoded_can_be_decoded) {
    EXPECT_EQ(decode_hints(encode_hints(some_hints())), some_hints());
    EXPECT_EQ(decode_hints(encode_hints({})), Hints{});
}

TEST(HintFile, cut_or_changed_anywhere_it_is_no_hint) {
    const auto bytes = encode_hints(some_hints());
    for (std::size_t length = 0; length < bytes.size(); ++length)
        EXPECT_EQ(decode_hints(std::string_view(bytes).substr(0, length)), std::nullopt) << length;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        auto changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_EQ(decode_hints(changed), std::nullopt) << at;
    }
    EXPECT_EQ(decode_hints(bytes + "x"), std::nullopt);
}

TEST(HintFile, of_another_version_it_is_no_hint) {
    auto bytes = encode_hints(some_hints());
    bytes.replace(bytes.find('2'), 1, "1");
    EXPECT_EQ(decode_hints(bytes), std::nullopt);
}

TEST(HintFile, keeps_hints_for_the_next_process_and_replaces_the_former_ones) {
    FakeDisk disk;
    {
        HintFile file(disk);
        EXPECT_TRUE(file.read().empty());
        EXPECT_TRUE(file.write({some_hints().back()}));
        file.wait();
        EXPECT_TRUE(file.write(some_hints()));
        file.wait();
        EXPECT_EQ(file.problem(), "");
    }
    EXPECT_EQ(HintFile(disk).read(), some_hints());
}

TEST(HintFile, that_is_broken_is_no_hint_and_is_replaced) {
    FakeDisk disk;
    auto broken = disk.create("hints");
    ASSERT_TRUE(broken && (*broken)->write(0, "what is this?"));
    auto cut_short = disk.create("hints.new");
    ASSERT_TRUE(cut_short);
    HintFile file(disk);
    EXPECT_TRUE(file.read().empty());
    EXPECT_TRUE(file.write(some_hints()));
    file.wait();
    EXPECT_EQ(file.read(), some_hints());
}

}  // namespace
}  // namespace mta::daemon
