#include "mta/smtp/server/server_reply.h"

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

TEST(ServerReply, has_code_and_status_on_each_line) {
    EXPECT_EQ(to_string(ServerReply{250, {2, 1, 0}, "ok"}), "250 2.1.0 ok\r\n");
    EXPECT_EQ(to_string(ServerReply{214, {2, 0, 0}, "a\nb"}), "214-2.0.0 a\r\n214 2.0.0 b\r\n");
    EXPECT_EQ(to_string(ServerReply{354, {}, "go"}), "354 go\r\n");
    EXPECT_EQ(to_string(ServerReply{250, {}, "a\nb"}), "250-a\r\n250 b\r\n");
}

TEST(ServerReply, cannot_be_made_two_by_its_text) {
    EXPECT_EQ(to_string(ServerReply{550, {5, 7, 1}, "no\r250 yes\x01\x7f\xc3\xbc"}),
              "550 5.7.1 no?250 yes????\r\n");
}

TEST(ServerReplyDeathTest, never_contradicts_itself) {
    EXPECT_DEATH((void)to_string(ServerReply{250, {5, 0, 0}, "x"}), "klass");
}

}  // namespace
}  // namespace mta::smtp
