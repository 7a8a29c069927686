#include "queue/error_table.h"

#include <vector>

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

// As large providers say it: with an id of its own in each.
mta::DeliveryError said_with_id(int number) {
    const auto id = std::to_string(7'000'000 + number * 17);
    return {.status = {4, 2, 1},
            .scope = mta::Scope::recipient,
            .reply_code = 450,
            .text = "4.2.1 The user you are trying to contact is receiving mail at a rate that\n" +
                    std::string("4.2.1 prevents additional messages. Please resend later. ") + id +
                    "a.12 - gsmtp",
            .remote = "mx.them.example [192.0.2.1]:25"};
}

TEST(ErrorTable, gives_back_what_was_said_whatever_is_in_it) {
    ErrorTable table;
    const std::string zeros("a\0b 1\x01 2", 9);
    for (const auto& text : {std::string(), std::string(" "), std::string("1"), std::string("a1 "),
                             std::string(" 1  2\n3\n"), std::string("busy"), std::string("x\x01 1"),
                             zeros, std::string(200, '7'), said_with_id(1).text}) {
        const auto index = table.intern(said(text));
        EXPECT_EQ(table[index], said(text));
        EXPECT_EQ(table.intern(said(text)), index) << text;
        EXPECT_EQ(table.scope(index), mta::Scope::recipient);
    }
}

TEST(ErrorTable, keeps_of_answers_that_differ_in_an_id_the_id) {
    ErrorTable table;
    const auto empty = table.bytes();
    std::vector<ErrorHandle> handles;
    constexpr int count = 1000;
    for (int i = 0; i < count; ++i) handles.push_back(table.intern(said_with_id(i)));
    EXPECT_EQ(table.size(), static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
        EXPECT_EQ(table[handles[static_cast<std::size_t>(i)]], said_with_id(i));
    EXPECT_LT(table.bytes() / count, 120u) << "and not the 370 that it would take as it is";
    for (const auto index : handles) table.release(index);
    EXPECT_EQ(table.bytes(), empty);
    EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace queue
