#include "mta/diagnosis/retry_hint.h"

#include <string>

#include <gtest/gtest.h>

#include "mta/diagnosis/diagnosis.h"

namespace mta::diagnosis {
namespace {

using namespace std::chrono_literals;

struct HintCase {
    std::string text;
    std::optional<Millis> want;
};

const HintCase hint_cases[] = {
    {"4.7.1 Greylisted, please try again in 300 seconds", 300s},
    {"Greylisted for 300 seconds", 300s},
    {"4.2.0 Recipient address rejected: Greylisted for 5 minutes", 5min},
    {"try again in 5 minutes", 5min},
    {"Try again in 1 minute.", 1min},
    {"please retry in 5min", 5min},
    {"retry after 90s", 90s},
    {"try later (in 2 hours)", 2h},
    {"4.7.1 Greylisting in action, please come back in 00:04:57", 4min + 57s},
    {"come back in 01:00:00 at the latest", 1h},
    {"line one\nretry in 10 minutes", 10min},
    {"please wait 60-second", 60s},
    {"retry=30 s", 30s},
    {"try again later", std::nullopt},
    {"4.2.0 try again", std::nullopt},
    {"undelivered after 4 hours", std::nullopt},
    {"try again in 0 seconds", std::nullopt},
    {"try again in 99999 minutes", std::nullopt},
    {"try again in 1000000000000 seconds", std::nullopt},
    {"try again in 18446744073709551676 seconds", std::nullopt},
    {"try again in 00:99:00", std::nullopt},
    {"try again at 10:30", std::nullopt},
    {"try again, 192.0.2.5 s", std::nullopt},
    {"try again id=x12345 s", std::nullopt},
    {"try again in 5 moons", std::nullopt},
    {"", std::nullopt},
};

TEST(RetryHint, is_the_wait_that_a_reply_asks_for) {
    for (const auto& test : hint_cases) {
        EXPECT_EQ(parse_retry_hint(test.text), test.want) << test.text;
    }
}

TEST(RetryHint, is_taken_from_4xx_replies_only) {
    const DeliveryError greylisted{.reply_code = 450, .text = "try again in 5 minutes"};
    EXPECT_EQ(retry_hint_of(greylisted), 5min);
    auto refused = greylisted;
    refused.reply_code = 550;
    EXPECT_EQ(retry_hint_of(refused), std::nullopt);
    auto ours = greylisted;
    ours.reply_code = 0;
    EXPECT_EQ(retry_hint_of(ours), std::nullopt) << "our own words";
}

}  // namespace
}  // namespace mta::diagnosis
