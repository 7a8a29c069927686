#include "mta/smtp/server/incoming_envelope.h"

#include <gtest/gtest.h>

#include "mta/base/limits.h"

namespace mta::smtp {
namespace {

using Rcpt = IncomingEnvelope::Rcpt;

Recipient recipient(int number) {
    return {.address = "r" + std::to_string(number) + "@us.example",
            .domain = "us.example",
            .orcpt = {}};
}

MailArguments arguments() {
    MailArguments arguments;
    arguments.reverse_path = *parse_mailbox("ann@us.example");
    arguments.size = 1234;
    arguments.body_type = BodyType::eight_bit_mime;
    arguments.smtputf8 = true;
    arguments.ret = Ret::headers;
    arguments.envid = "x1";
    arguments.priority = std::int8_t{5};
    return arguments;
}

TEST(IncomingEnvelope, gives_the_envelope_that_mail_and_rcpt_have_made) {
    IncomingEnvelope envelope(arguments(), {.priority = 5});
    EXPECT_EQ(envelope.add(recipient(1), 10), Rcpt::taken);
    EXPECT_EQ(envelope.add(recipient(2), 10), Rcpt::taken);
    EXPECT_EQ(envelope.add(recipient(1), 10), Rcpt::taken) << "one recipient all the same";
    EXPECT_EQ(envelope.take_envelope(), (Envelope{.reverse_path = "ann@us.example",
                                                  .recipients = {recipient(1), recipient(2)},
                                                  .body_type = BodyType::eight_bit_mime,
                                                  .smtputf8 = true,
                                                  .ret = Ret::headers,
                                                  .envid = "x1",
                                                  .requests = {.priority = 5}}));
    EXPECT_EQ(envelope.only_recipient(), "");
    EXPECT_EQ(envelope.declared_size(), 1234u);
    EXPECT_EQ(envelope.priority(), 5) << "known afterwards, too";
    EXPECT_TRUE(envelope.is_smtputf8());
    EXPECT_FALSE(envelope.is_priority_lowered());
    EXPECT_TRUE(IncomingEnvelope(arguments(), {.priority = 0}).is_priority_lowered());
}

TEST(IncomingEnvelope, knows_the_only_recipient) {
    IncomingEnvelope envelope(arguments(), {});
    EXPECT_EQ(envelope.add(recipient(1), 10), Rcpt::taken);
    static_cast<void>(envelope.take_envelope());
    EXPECT_EQ(envelope.only_recipient(), "r1@us.example");
}

TEST(IncomingEnvelope, begins_no_message_without_a_recipient) {
    IncomingEnvelope envelope(arguments(), {});
    EXPECT_EQ(envelope.refusal_to_begin()->code, 503);
    envelope.set_recipient_refused();
    EXPECT_EQ(envelope.refusal_to_begin()->code, 554);
    EXPECT_EQ(envelope.add(recipient(1), 10), Rcpt::taken);
    EXPECT_FALSE(envelope.refusal_to_begin());
}

TEST(IncomingEnvelope, puts_recipients_off_beyond_the_limit_but_not_for_ever) {
    IncomingEnvelope envelope(arguments(), {});
    EXPECT_EQ(envelope.add(recipient(1), 1), Rcpt::taken);
    EXPECT_EQ(envelope.add(recipient(1), 1), Rcpt::taken) << "it is there already";
    EXPECT_EQ(envelope.add(recipient(2), 1), Rcpt::put_off);
    for (std::uint32_t i = 2; i < limits::excess_recipients_max; ++i)
        ASSERT_EQ(envelope.add(recipient(2), 1), Rcpt::put_off_again);
    EXPECT_EQ(envelope.add(recipient(2), 1), Rcpt::put_off_too_often);
}

TEST(IncomingEnvelope, takes_the_same_recipient_only_so_often) {
    IncomingEnvelope envelope(arguments(), {});
    for (std::uint32_t i = 0; i < limits::excess_recipients_max; ++i)
        ASSERT_EQ(envelope.add(recipient(1), 10), Rcpt::taken);
    EXPECT_EQ(envelope.add(recipient(1), 10), Rcpt::repeated_too_often);
}

}  // namespace
}  // namespace mta::smtp
