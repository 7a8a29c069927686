#include "queue/error_table.h"

#include <gtest/gtest.h>

namespace queue {
namespace {

mta::DeliveryError said(const std::string& text, std::uint16_t code = 450) {
    return {.status = {4, 2, 1}, .scope = mta::Scope::recipient, .reply_code = code, .text = text};
}

TEST(ErrorTable, keeps_the_same_words_once) {
    ErrorTable table;
    const auto first = table.intern(said("busy"));
    EXPECT_EQ(table.intern(said("busy")), first);
    EXPECT_NE(table.intern(said("busy", 451)), first) << "another code is another answer";
    EXPECT_NE(table.intern(said("full")), first);
    EXPECT_EQ(table.size(), 3u);
    EXPECT_EQ(table[first], said("busy"));
}

TEST(ErrorTable, forgets_them_with_their_last_use) {
    ErrorTable table;
    const auto empty = table.bytes();
    const auto first = table.intern(said(std::string(1000, 'x')));
    EXPECT_GE(table.bytes(), 1000u);
    static_cast<void>(table.intern(said(std::string(1000, 'x'))));
    table.release(first);
    EXPECT_EQ(table.size(), 1u);
    EXPECT_EQ(table[first].text.size(), 1000u);
    table.release(first);
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.bytes(), empty);
}

}  // namespace
}  // namespace queue
