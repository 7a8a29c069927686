#include "dns/edns_support.h"

#include <gtest/gtest.h>

namespace dns {
namespace {
using namespace std::chrono_literals;

constexpr unsigned noerror = 0;
constexpr unsigned formerr = 1;
constexpr unsigned servfail = 2;
constexpr unsigned nxdomain = 3;
constexpr unsigned notimp = 4;
constexpr unsigned refused = 5;
constexpr mta::Instant begin{1000s};

TEST(EdnsSupport, asks_again_after_what_a_server_says_that_does_not_know_edns) {
    const EdnsSupport support;
    for (const auto rcode : {formerr, notimp, refused})
        EXPECT_TRUE(support.is_worth_another_try(rcode)) << rcode;
    for (const auto rcode : {noerror, servfail, nxdomain})
        EXPECT_FALSE(support.is_worth_another_try(rcode)) << rcode;
}

TEST(EdnsSupport, believes_the_refusal_of_a_server_that_has_answered_with_edns) {
    EdnsSupport support;
    support.on_answer(nxdomain);
    EXPECT_FALSE(support.is_worth_another_try(refused));
    EXPECT_TRUE(support.is_worth_another_try(formerr));
}

TEST(EdnsSupport, leaves_edns_out_for_an_hour_after_three_cures_in_a_row) {
    EdnsSupport support;
    for (int i = 0; i < 2; ++i) support.on_answer_without(noerror, begin);
    support.on_answer(noerror);
    for (int i = 0; i < 2; ++i) support.on_answer_without(noerror, begin);
    support.on_answer_without(refused, begin);
    EXPECT_TRUE(support.is_to_be_used(begin));
    support.on_answer_without(servfail, begin);
    EXPECT_FALSE(support.is_to_be_used(begin + 1h - 1ms));
    EXPECT_TRUE(support.is_to_be_used(begin + 1h));
    support.on_answer_without(noerror, begin + 1h);
    EXPECT_FALSE(support.is_to_be_used(begin + 1h)) << "one try an hour";
    support.on_answer(noerror);
    EXPECT_TRUE(support.is_to_be_used(begin + 1h));
}

}  // namespace
}  // namespace dns
