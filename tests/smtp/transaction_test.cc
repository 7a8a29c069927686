#include "mta/smtp/server/transaction.h"

#include <gtest/gtest.h>

#include "mta/base/limits.h"

namespace mta::smtp {
namespace {

using Rcpt = Transaction::Rcpt;

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

TEST(Transaction, gives_the_envelope_that_mail_and_rcpt_have_made) {
    Transaction transaction(arguments(), {.priority = 5});
    EXPECT_EQ(transaction.add(recipient(1), 10), Rcpt::taken);
    EXPECT_EQ(transaction.add(recipient(2), 10), Rcpt::taken);
    EXPECT_EQ(transaction.add(recipient(1), 10), Rcpt::taken) << "one recipient all the same";
    EXPECT_EQ(transaction.take_envelope(), (Envelope{.reverse_path = "ann@us.example",
                                                     .recipients = {recipient(1), recipient(2)},
                                                     .body_type = BodyType::eight_bit_mime,
                                                     .smtputf8 = true,
                                                     .ret = Ret::headers,
                                                     .envid = "x1",
                                                     .requests = {.priority = 5}}));
    EXPECT_EQ(transaction.only_recipient(), "");
    EXPECT_EQ(transaction.declared_size(), 1234u);
    EXPECT_EQ(transaction.priority(), 5) << "known afterwards, too";
    EXPECT_TRUE(transaction.is_smtputf8());
    EXPECT_FALSE(transaction.is_priority_lowered());
    EXPECT_TRUE(Transaction(arguments(), {.priority = 0}).is_priority_lowered());
}

TEST(Transaction, knows_the_only_recipient) {
    Transaction transaction(arguments(), {});
    EXPECT_EQ(transaction.add(recipient(1), 10), Rcpt::taken);
    static_cast<void>(transaction.take_envelope());
    EXPECT_EQ(transaction.only_recipient(), "r1@us.example");
}

TEST(Transaction, begins_no_message_without_a_recipient) {
    Transaction transaction(arguments(), {});
    EXPECT_EQ(transaction.refusal_to_begin()->code, 503);
    transaction.set_recipient_refused();
    EXPECT_EQ(transaction.refusal_to_begin()->code, 554);
    EXPECT_EQ(transaction.add(recipient(1), 10), Rcpt::taken);
    EXPECT_FALSE(transaction.refusal_to_begin());
}

TEST(Transaction, puts_recipients_off_beyond_the_limit_but_not_for_ever) {
    Transaction transaction(arguments(), {});
    EXPECT_EQ(transaction.add(recipient(1), 1), Rcpt::taken);
    EXPECT_EQ(transaction.add(recipient(1), 1), Rcpt::taken) << "it is there already";
    EXPECT_EQ(transaction.add(recipient(2), 1), Rcpt::put_off);
    for (std::uint32_t i = 2; i < limits::excess_recipients_max; ++i)
        ASSERT_EQ(transaction.add(recipient(2), 1), Rcpt::put_off_again);
    EXPECT_EQ(transaction.add(recipient(2), 1), Rcpt::put_off_too_often);
}

TEST(Transaction, hears_the_same_recipient_only_so_often) {
    Transaction transaction(arguments(), {});
    for (std::uint32_t i = 0; i < limits::excess_recipients_max; ++i)
        ASSERT_EQ(transaction.add(recipient(1), 10), Rcpt::taken);
    EXPECT_EQ(transaction.add(recipient(1), 10), Rcpt::repeated_too_often);
}

}  // namespace
}  // namespace mta::smtp
