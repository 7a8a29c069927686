#include "mta/outbound/lifecycle/report_rules.h"

#include <string>

#include <gtest/gtest.h>

namespace mta::outbound {
namespace {

std::string wanted(std::uint8_t notify) {
    std::string kinds;
    if (wants_report(notify, ReportKind::failure)) kinds += "failure ";
    if (wants_report(notify, ReportKind::delay)) kinds += "delay ";
    if (wants_report(notify, ReportKind::relayed)) kinds += "relayed ";
    return kinds;
}

TEST(ReportRules, notify_decides_which_reports_a_sender_gets) {
    using namespace queue;
    EXPECT_EQ(wanted(notify_unspecified), "failure delay ");
    EXPECT_EQ(wanted(notify_never), "");
    EXPECT_EQ(wanted(notify_failure), "failure ");
    EXPECT_EQ(wanted(notify_delay), "delay ");
    EXPECT_EQ(wanted(notify_success), "relayed ");
    EXPECT_EQ(wanted(notify_success | notify_failure | notify_delay), "failure delay relayed ");
}

TEST(ReportRules, a_success_is_reported_if_it_is_asked_for_and_the_next_hop_does_not_answer) {
    EXPECT_TRUE(is_relay_reported(queue::notify_success, {}, {}));
    EXPECT_FALSE(is_relay_reported(queue::notify_success, {}, {.is_dsn_passed_on = true}));
    EXPECT_FALSE(is_relay_reported(queue::notify_unspecified, {}, {}));
    EXPECT_FALSE(is_relay_reported(queue::notify_failure, {}, {}));
}

TEST(ReportRules, deliver_by_asks_for_a_trace_or_for_a_notice_that_the_next_hop_does_not_give) {
    const auto unspecified = queue::notify_unspecified;
    const DeliverBy traced{.mode = ByMode::notify, .trace = true, .at = {}};
    const DeliverBy in_time{.mode = ByMode::notify, .trace = false, .at = {}};
    const DeliverBy or_back{.mode = ByMode::give_back, .trace = false, .at = {}};
    const HandedOn minds_time{.is_deliver_by_passed_on = true};
    EXPECT_TRUE(is_relay_reported(unspecified, traced, minds_time));
    EXPECT_TRUE(is_relay_reported(unspecified, in_time, {}));
    EXPECT_FALSE(is_relay_reported(unspecified, in_time, minds_time));
    EXPECT_FALSE(is_relay_reported(unspecified, or_back, {}));
    EXPECT_FALSE(is_relay_reported(queue::notify_never, traced, {}));
}

}  // namespace
}  // namespace mta::outbound
