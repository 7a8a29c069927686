#include "mta/smtp/server/header_scan.h"

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

// What a message's header section means is tested with DataStream; here is what only pieces show.

TEST(HeaderScan, ends_before_a_line_that_has_no_colon) {
    HeaderScan scan;
    scan.feed("A: b\r\n", true);
    EXPECT_EQ(scan.bytes(), 6U);
    EXPECT_EQ(scan.fields(), 1U);
    EXPECT_FALSE(scan.has_ended());
    scan.feed("abc\n", true);
    EXPECT_TRUE(scan.has_ended());
    scan.feed("Received: x\r\n", true);
    EXPECT_EQ(scan.bytes(), 6U);
    EXPECT_EQ(scan.received_fields(), 0U);
}

TEST(HeaderScan, counts_a_line_under_way) {
    HeaderScan scan;
    scan.feed("A: b\r\n", true);
    scan.feed("Recei", false);
    EXPECT_EQ(scan.bytes(), 6U);
    EXPECT_EQ(scan.bytes_so_far(), 11U);
    scan.feed("ved: x", false);
    EXPECT_EQ(scan.received_fields(), 1U);
    EXPECT_EQ(scan.bytes(), 6U);
    scan.feed("\r\n", true);
    EXPECT_EQ(scan.bytes(), 19U);
}

}  // namespace
}  // namespace mta::smtp
