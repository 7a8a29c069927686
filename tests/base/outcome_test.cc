#include "mta/base/outcome.h"

#include <gtest/gtest.h>

namespace mta {
namespace {

struct StatusCase {
    const char* text;
    std::optional<EnhancedStatus> want;
    const char* rest;
};

const StatusCase status_cases[] = {
    {"5.1.1 no such user", EnhancedStatus{5, 1, 1}, "no such user"},
    {"2.0.0 ok", EnhancedStatus{2, 0, 0}, "ok"},
    {"4.7.1\tlater", EnhancedStatus{4, 7, 1}, "later"},
    {"4.7.1", EnhancedStatus{4, 7, 1}, ""},
    {"4.7.1 ", EnhancedStatus{4, 7, 1}, ""},
    {"4.7.1  two spaces", EnhancedStatus{4, 7, 1}, " two spaces"},
    {"5.999.999 x", EnhancedStatus{5, 999, 999}, "x"},
    {"5.001.010 x", EnhancedStatus{5, 1, 10}, "x"},
    {"5.1000.1 x", std::nullopt, "5.1000.1 x"},
    {"5.1.1000 x", std::nullopt, "5.1.1000 x"},
    {"3.1.1 x", std::nullopt, "3.1.1 x"},
    {"0.1.1 x", std::nullopt, "0.1.1 x"},
    {"55.1.1 x", std::nullopt, "55.1.1 x"},
    {"5.1.1no", std::nullopt, "5.1.1no"},
    {"5.1.1.1 x", std::nullopt, "5.1.1.1 x"},
    {"5.1 x", std::nullopt, "5.1 x"},
    {"5..1 x", std::nullopt, "5..1 x"},
    {"5 1 1", std::nullopt, "5 1 1"},
    {".5.1.1", std::nullopt, ".5.1.1"},
    {" 5.1.1", std::nullopt, " 5.1.1"},
    {"5.1.", std::nullopt, "5.1."},
    {"-5.1.1", std::nullopt, "-5.1.1"},
    {"", std::nullopt, ""},
    {"no", std::nullopt, "no"},
};

TEST(EnhancedStatus, is_taken_off_the_front_or_left_alone) {
    for (const auto& row : status_cases) {
        std::string_view text = row.text;
        EXPECT_EQ(take_enhanced_status(text), row.want) << row.text;
        EXPECT_EQ(text, row.rest) << row.text;
    }
}

TEST(EnhancedStatus, is_written_with_dots) {
    EXPECT_EQ(to_string(EnhancedStatus{4, 7, 1}), "4.7.1");
    EXPECT_EQ(to_string(EnhancedStatus{5, 123, 45}), "5.123.45");
}

TEST(DeliveryError, is_permanent_by_its_class_alone) {
    EXPECT_TRUE((DeliveryError{.status = {5, 1, 1}}).is_permanent());
    EXPECT_FALSE((DeliveryError{.status = {4, 1, 1}, .reply_code = 550}).is_permanent());
}

Result<int> half(int number) {
    if (number % 2 != 0) {
        return std::unexpected(DeliveryError{.status = {5, 0, 0}, .text = "odd"});
    }
    return number / 2;
}

Result<int> quarter(int number) {
    MTA_TRY(once, half(number));
    MTA_TRY(twice, half(once));
    return twice;
}

TEST(Result, is_passed_on_by_mta_try) {
    EXPECT_EQ(quarter(8), 2);
    EXPECT_EQ(quarter(6).error().text, "odd");
    EXPECT_EQ(quarter(7).error().text, "odd");
}

TEST(DeliveryError, is_told_as_it_was_said) {
    EXPECT_EQ(reply_of({.reply_code = 450, .text = "4.7.1 later\nmuch later"}),
              "450 4.7.1 later\nmuch later");
    EXPECT_EQ(reply_of({.reply_code = 450, .text = ""}), "450");
    EXPECT_EQ(reply_of({.text = "connection refused"}), "connection refused");
}

}  // namespace
}  // namespace mta
