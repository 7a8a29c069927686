#include "mta/smtp/server/body_reception.h"

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

const std::string trace = "Received: x\r\n";

TEST(BodyReception, gathers_the_text_behind_the_trace) {
    BodyReception body({}, trace, 0);
    std::string_view input = "Subject: x\r\n\r\n..a\r\n.\r\nNOOP\r\n";
    EXPECT_TRUE(body.feed_dotted(input));
    EXPECT_EQ(input, "NOOP\r\n");
    EXPECT_EQ(body.bytes(), trace.size() + 18);
    EXPECT_EQ(body.facts().size, body.bytes());
    EXPECT_FALSE(body.refusal());
    EXPECT_EQ(body.take(), trace + "Subject: x\r\n\r\n.a\r\n");
    EXPECT_EQ(body.bytes(), 0u);
}

TEST(BodyReception, takes_of_a_chunk_what_belongs_to_it) {
    BodyReception body({}, trace, 0);
    std::string_view input = "Subject: x\r\nNOOP\r\n";
    EXPECT_EQ(body.feed_chunk(input, 12), 12u);
    EXPECT_EQ(input, "NOOP\r\n");
    body.finish_chunks();
    EXPECT_EQ(body.take(), trace + "Subject: x\r\n");
}

TEST(BodyReception, is_full_at_a_chunk_until_it_is_taken) {
    for (const bool is_dotted : {false, true}) {
        BodyReception body({}, trace, 0);
        const std::string much(limits::body_chunk_bytes_max + 1000, 'x');
        std::string_view input = much;
        if (is_dotted) {
            EXPECT_FALSE(body.feed_dotted(input));
        } else {
            body.feed_chunk(input, much.size());
        }
        EXPECT_TRUE(body.is_full());
        EXPECT_EQ(body.bytes(), limits::body_chunk_bytes_max);
        EXPECT_EQ(input.size(), 1000 + trace.size()) << "the rest waits";
        EXPECT_EQ(body.take().size(), limits::body_chunk_bytes_max);
        EXPECT_FALSE(body.is_full());
    }
}

TEST(BodyReception, gathers_nothing_from_the_first_problem_on) {
    BodyReception body({.message_bytes_max = 100}, trace, 0);
    const std::string much(200, 'x');
    std::string_view input = much;
    EXPECT_FALSE(body.feed_dotted(input));
    EXPECT_TRUE(body.is_refused());
    EXPECT_EQ(body.bytes(), 0u);
    EXPECT_EQ(body.refusal_cause(), "message too large");
    input = "\r\n.\r\n";
    EXPECT_TRUE(body.feed_dotted(input)) << "its end is looked for all the same";
    EXPECT_EQ(body.refusal()->code, 552);
}

TEST(BodyReception, that_is_refused_from_outside_says_so_whatever_is_wrong_with_it) {
    BodyReception body({.message_bytes_max = 10}, trace, 0);
    body.refuse({452, {4, 3, 1}, "full"});
    EXPECT_EQ(body.bytes(), 0u);
    EXPECT_EQ(body.refusal_cause(), "refused");
    std::string_view input = "much too much\r\n.\r\n";
    EXPECT_TRUE(body.feed_dotted(input));
    EXPECT_EQ(body.bytes(), 0u);
    EXPECT_EQ(body.refusal()->code, 452);
}

}  // namespace
}  // namespace mta::smtp
