#include "mta/diagnosis/reply_policy.h"

#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "mta/diagnosis/diagnosis.h"

namespace mta::smtp {
namespace {

struct PolicyCase {
    Stage stage;
    std::uint16_t code;
    std::string text;
    EnhancedStatus status;
    Scope scope;
};

const PolicyCase policy_cases[] = {
    // The code's first digit decides.
    {Stage::rcpt, 550, "5.1.1 no such user", {5, 1, 1}, Scope::recipient},
    {Stage::rcpt, 450, "4.2.0 greylisted", {4, 2, 0}, Scope::recipient},
    {Stage::rcpt, 450, "5.7.1 greylisted", {4, 7, 1}, Scope::recipient},
    {Stage::rcpt, 550, "4.7.1 never", {5, 7, 1}, Scope::recipient},
    {Stage::rcpt, 550, "2.1.5 well", {5, 1, 5}, Scope::recipient},
    {Stage::rcpt, 599, "unknown code", {5, 0, 0}, Scope::recipient},
    {Stage::rcpt, 499, "unknown code", {4, 0, 0}, Scope::recipient},
    {Stage::rcpt, 550, "no enhanced code", {5, 0, 0}, Scope::recipient},
    {Stage::rcpt, 550, "5.1.1no space", {5, 0, 0}, Scope::recipient},
    {Stage::rcpt, 550, "", {5, 0, 0}, Scope::recipient},
    {Stage::rcpt, 556, "null MX", {5, 1, 10}, Scope::recipient},
    {Stage::rcpt, 553, "bad mailbox", {5, 1, 3}, Scope::recipient},
    // 552 on RCPT counts as 452, and only there.
    {Stage::rcpt, 552, "5.2.2 over quota", {4, 2, 2}, Scope::recipient},
    {Stage::rcpt, 552, "too many recipients", {4, 0, 0}, Scope::recipient},
    {Stage::rcpt, 452, "too many recipients", {4, 3, 1}, Scope::recipient},
    {Stage::mail, 552, "5.3.4 too large", {5, 3, 4}, Scope::message},
    {Stage::body, 552, "5.3.4 too large", {5, 3, 4}, Scope::message},
    // How far it reaches.
    {Stage::mail, 550, "5.7.1 spam", {5, 7, 1}, Scope::message},
    {Stage::mail, 451, "busy", {4, 0, 0}, Scope::message},
    {Stage::mail, 530, "authentication required", {5, 7, 0}, Scope::message},
    {Stage::data, 554, "5.5.1 no valid recipients", {5, 5, 1}, Scope::message},
    {Stage::data, 451, "4.3.0 busy", {4, 3, 0}, Scope::message},
    {Stage::body, 550, "5.7.1 virus", {5, 7, 1}, Scope::message},
    {Stage::body, 452, "4.3.1 disk full", {4, 3, 1}, Scope::message},
    // 421 ends the session; past EHLO that is about what was said last.
    {Stage::greeting, 421, "4.7.0 too many connections", {4, 7, 0}, Scope::host},
    {Stage::mail, 421, "closing", {4, 3, 2}, Scope::message},
    {Stage::rcpt, 421, "4.7.0 closing", {4, 7, 0}, Scope::recipient},
    {Stage::body, 421, "closing", {4, 3, 2}, Scope::message},
    // A greeting or EHLO says nothing about a message.
    {Stage::greeting, 554, "5.7.1 block list", {4, 7, 1}, Scope::host},
    {Stage::greeting, 521, "no mail here", {4, 3, 2}, Scope::host},
    {Stage::greeting, 450, "later", {4, 0, 0}, Scope::host},
    {Stage::ehlo, 550, "5.7.1 go away", {4, 7, 1}, Scope::host},
    {Stage::ehlo, 521, "no mail here", {4, 3, 2}, Scope::host},
    {Stage::rset, 500, "what", {4, 5, 2}, Scope::host},
};

TEST(ReplyPolicy, follows_its_table) {
    for (const auto& test : policy_cases) {
        const auto error = error_from_reply(test.stage, {test.code, {test.text}});
        const auto name =
            std::string(to_string(test.stage)) + " " + std::to_string(test.code) + " " + test.text;
        EXPECT_EQ(to_string(error.status), to_string(test.status)) << name;
        EXPECT_EQ(error.scope, test.scope) << name;
        EXPECT_EQ(error.reply_code, test.code) << name;
        EXPECT_EQ(error.text, test.text) << name;
        EXPECT_EQ(error.is_permanent(), test.status.klass == 5) << name;
    }
}

TEST(ReplyPolicy, keeps_all_lines_of_a_reply) {
    const auto error = error_from_reply(Stage::rcpt, {550, {"5.1.1 no such user", "", "5.1.1 x"}});
    EXPECT_EQ(error.text, "5.1.1 no such user\n\n5.1.1 x");
}

TEST(ReplyPolicy, cuts_an_endless_reply) {
    const Reply reply{550, std::vector<std::string>(64, std::string(1000, 'x'))};
    EXPECT_EQ(error_from_reply(Stage::rcpt, reply).text.size(), error_text_bytes_max);
}

constexpr Stage stages[] = {Stage::greeting, Stage::ehlo, Stage::rset, Stage::mail,
                            Stage::rcpt,     Stage::data, Stage::body};

TEST(ReplyPolicy, trouble_with_the_connection_is_temporary_and_reaches_the_host_up_to_ehlo) {
    for (const Stage stage : stages) {
        const DeliveryError troubles[] = {
            error_from_loss(stage, ""), error_from_loss(stage, "connection reset by peer"),
            error_from_timeout(stage), error_from_nonsense(stage, ReplyError::endless),
            error_from_unexpected(stage, {250, {"what?"}})};
        for (const auto& error : troubles) {
            EXPECT_FALSE(error.is_permanent()) << error.text;
            EXPECT_EQ(error.reply_code, 0) << error.text;
            const bool is_of_host =
                stage == Stage::greeting || stage == Stage::ehlo || stage == Stage::rset;
            const auto past_ehlo = stage == Stage::rcpt ? Scope::recipient : Scope::message;
            EXPECT_EQ(error.scope, is_of_host ? Scope::host : past_ehlo) << error.text;
            EXPECT_NE(error.text.find(to_string(stage)), std::string::npos) << error.text;
        }
        EXPECT_EQ(to_string(troubles[0].status), "4.4.2");
        EXPECT_EQ(to_string(troubles[1].status), "4.4.2");
        EXPECT_NE(troubles[1].text.find("reset by peer"), std::string::npos);
        EXPECT_EQ(to_string(troubles[2].status), "4.4.2");
        EXPECT_EQ(to_string(troubles[3].status), "4.5.0");
        EXPECT_EQ(to_string(troubles[4].status), "4.5.0");
    }
}

TEST(ReplyPolicy, a_yes_that_nobody_asked_for_is_a_protocol_error) {
    for (const auto code : std::initializer_list<std::uint16_t>{250, 354, 220}) {
        const auto error = error_from_reply(Stage::rcpt, {code, {"ok"}});
        EXPECT_EQ(to_string(error.status), "4.5.0");
        EXPECT_EQ(error.scope, Scope::recipient);
        EXPECT_EQ(error.reply_code, 0);
    }
}

// What the collection calls each reply, and whether a retry could have helped.
TEST(ReplyPolicy, sorts_the_replies_of_real_servers_by_their_codes) {
    std::ifstream file("tests/smtp/data/smtp-replies.tsv");
    ASSERT_TRUE(file) << "run from the top of the source tree";
    std::map<std::string, int> permanent;
    std::map<std::string, int> temporary;
    std::size_t with_enhanced_code = 0;
    for (std::string row; std::getline(file, row);) {
        const auto tab = row.find('\t');
        const std::string reason = row.substr(0, tab);
        std::string_view wire = row += "\r\n";
        wire.remove_prefix(tab + 1);
        const auto parsed = ReplyParser{}.feed(wire);
        ASSERT_TRUE(parsed && *parsed) << row;
        const Reply& reply = **parsed;
        if (reply.first_digit() == 2) continue;

        const auto rcpt = error_from_reply(Stage::rcpt, reply);
        const bool must_retry = reply.first_digit() == 4 || reply.code == 552;
        EXPECT_EQ(rcpt.is_permanent(), !must_retry) << row;
        EXPECT_EQ(rcpt.scope, Scope::recipient) << row;
        EXPECT_EQ(error_from_reply(Stage::body, reply).is_permanent(), reply.first_digit() == 5);
        EXPECT_FALSE(error_from_reply(Stage::greeting, reply).is_permanent()) << row;
        EXPECT_EQ(rcpt.text, text_of(reply));
        if (rcpt.status.subject != 0) ++with_enhanced_code;
        ++(rcpt.is_permanent() ? permanent : temporary)[reason];
        EXPECT_EQ(diagnosis::retry_hint_of(rcpt), std::nullopt) << row;
    }
    EXPECT_EQ(permanent["userunknown"], 51);
    EXPECT_EQ(temporary["userunknown"], 0);
    EXPECT_EQ(permanent["norelaying"], 2);
    EXPECT_EQ(temporary["mailboxfull"], 3);
    EXPECT_EQ(permanent["mailboxfull"], 9);
    EXPECT_EQ(temporary["systemfull"], 1);
    EXPECT_EQ(temporary["badreputation"], 1);
    EXPECT_GT(with_enhanced_code, 90u);
}

}  // namespace
}  // namespace mta::smtp
