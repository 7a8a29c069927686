#include "mta/smtp/server/command_parser.h"

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

using namespace std::literals;

const Extensions all_extensions{.starttls = true,
                                .auth = true,
                                .mt_priority = true,
                                .future_release = true,
                                .deliver_by = true};

// "ok", or the codes of the reply: "501 5.5.4".
std::string outcome(std::string_view line, const Extensions& extensions = {}, bool utf8 = false) {
    const auto command = parse_command(line, extensions, utf8);
    if (command) return "ok";
    return std::to_string(command.error().code) + ' ' + to_string(command.error().status);
}

struct LineCase {
    std::string_view line;
    std::string_view outcome;
};

const LineCase lines[] = {
    {"", "500 5.5.1"},
    {" ", "500 5.5.1"},
    {"XYZZY", "500 5.5.1"},
    {"MAILFROM:<a@b>", "500 5.5.1"},
    {"EHLO x", "ok"},
    {"EHLO [192.0.2.1]", "ok"},
    {"EHLO bücher.example", "ok"},
    {"EHLO", "501 5.5.4"},
    {"EHLO \xff", "500 5.5.2"},
    {"NOOP\r", "500 5.5.2"},
    {"NOOP\tx", "500 5.5.2"},
    {"NOOP \x7f", "500 5.5.2"},
    {"NO\0OP"sv, "500 5.5.2"},
    {"MAIL", "501 5.5.4"},
    {"MAIL FROM", "501 5.5.4"},
    {"MAIL TO:<a@b>", "501 5.5.4"},
    {"MAIL FROM:", "501 5.1.7"},
    {"MAIL FROM:a@b", "501 5.1.7"},
    {"MAIL FROM:<a>", "501 5.1.7"},
    {"MAIL FROM:<>", "ok"},
    {"MAIL FROM:<a@b>", "ok"},
    {"MAIL FROM:  <a@b>  ", "ok"},
    {"MAIL FROM:<a@b>SIZE=1", "501 5.5.4"},
    {"MAIL FROM:<a@b> SIZE=1", "ok"},
    {"MAIL FROM:<a@b>   SIZE=1", "ok"},
    {"MAIL FROM:<a@b> size=1", "ok"},
    {"MAIL FROM:<a@b> SIZE=", "501 5.5.4"},
    {"MAIL FROM:<a@b> SIZE", "501 5.5.4"},
    {"MAIL FROM:<a@b> SIZE=1x", "501 5.5.4"},
    {"MAIL FROM:<a@b> SIZE=-1", "501 5.5.4"},
    {"MAIL FROM:<a@b> SIZE=18446744073709551616", "ok"},
    {"MAIL FROM:<a@b> SIZE=111111111111111111111", "501 5.5.4"},
    {"MAIL FROM:<a@b> SIZE=1 SIZE=1", "501 5.5.4"},
    {"MAIL FROM:<a@b> SIZE=1 BODY=7BIT size=2", "501 5.5.4"},
    {"MAIL FROM:<a@b> =1", "501 5.5.4"},
    {"MAIL FROM:<a@b> SIZE=1=2", "501 5.5.4"},
    {"MAIL FROM:<a@b> -X=1", "501 5.5.4"},
    {"MAIL FROM:<a@b> X_Y=1", "501 5.5.4"},
    {"MAIL FROM:<a@b> XYZ=1", "555 5.5.4"},
    {"MAIL FROM:<a@b> NOTIFY=NEVER", "555 5.5.4"},
    {"MAIL FROM:<a@b> BODY=7BIT", "ok"},
    {"MAIL FROM:<a@b> BODY=8bitmime", "ok"},
    {"MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4"},
    {"MAIL FROM:<a@b> BODY", "501 5.5.4"},
    {"MAIL FROM:<a@b> SMTPUTF8", "ok"},
    {"MAIL FROM:<a@b> SMTPUTF8=1", "501 5.5.4"},
    {"MAIL FROM:<ü@b>", "553 5.6.7"},
    {"MAIL FROM:<ü@b> SMTPUTF8", "ok"},
    {"MAIL FROM:<a@bü>", "553 5.6.7"},
    {"MAIL FROM:<a@b> RET=FULL", "ok"},
    {"MAIL FROM:<a@b> RET=hdrs", "ok"},
    {"MAIL FROM:<a@b> RET=NONE", "501 5.5.4"},
    {"MAIL FROM:<a@b> ENVID=a+2Bb", "ok"},
    {"MAIL FROM:<a@b> ENVID=a+2bb", "501 5.5.4"},
    {"MAIL FROM:<a@b> ENVID=a+0Ab", "501 5.5.4"},
    {"MAIL FROM:<a@b> ENVID=ü SMTPUTF8", "501 5.5.4"},
    {"MAIL FROM:<a@b> ENVID", "501 5.5.4"},
    {"MAIL FROM:<a@b> AUTH=<>", "555 5.5.4"},
    {"RCPT TO:<a@b>", "ok"},
    {"RCPT TO:<postmaster>", "ok"},
    {"RCPT FROM:<a@b>", "501 5.5.4"},
    {"RCPT TO:<>", "501 5.1.3"},
    {"RCPT TO:<ü@b>", "553 5.6.7"},
    {"RCPT TO:<a@b> SIZE=1", "555 5.5.4"},
    {"RCPT TO:<a@b> NOTIFY=NEVER", "ok"},
    {"RCPT TO:<a@b> NOTIFY=success,Failure,DELAY", "ok"},
    {"RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS", "501 5.5.4"},
    {"RCPT TO:<a@b> NOTIFY=SUCCESS,NEVER", "501 5.5.4"},
    {"RCPT TO:<a@b> NOTIFY=SUCCESS,SUCCESS", "501 5.5.4"},
    {"RCPT TO:<a@b> NOTIFY=SUCCESS,", "501 5.5.4"},
    {"RCPT TO:<a@b> NOTIFY=,SUCCESS", "501 5.5.4"},
    {"RCPT TO:<a@b> NOTIFY", "501 5.5.4"},
    {"RCPT TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4"},
    {"RCPT TO:<a@b> ORCPT=rfc822;a@b", "ok"},
    {"RCPT TO:<a@b> ORCPT=rfc822;a+0D+0Ab", "501 5.5.4"},
    {"RCPT TO:<a@b> ORCPT=utf-8;ü@b", "501 5.5.4"},
    {"RCPT TO:<a@b> ORCPT=a@b", "501 5.5.4"},
    {"DATA", "ok"},
    {"DATA ", "ok"},
    {"DATA x", "501 5.5.4"},
    {"BDAT 1", "ok"},
    {"bdat 1 last", "ok"},
    {"BDAT 1  LAST", "ok"},
    {"BDAT", "501 5.5.4"},
    {"BDAT LAST", "501 5.5.4"},
    {"BDAT 1 LASTLY", "501 5.5.4"},
    {"BDAT 1 LAST x", "501 5.5.4"},
    {"BDAT 1LAST", "501 5.5.4"},
    {"BDAT 18446744073709551616", "501 5.5.4"},
    {"VRFY", "501 5.5.4"},
    {"VRFY a", "ok"},
    {"EXPN a", "502 5.5.1"},
    {"ETRN", "501 5.5.4"},
    {"ETRN @", "501 5.5.4"},
    {"ETRN #", "501 5.5.4"},
    {"ETRN a b", "501 5.5.4"},
    {"ETRN #a b", "501 5.5.4"},
    {"ETRN @@a.example", "501 5.5.4"},
    {"ETRN !a.example", "501 5.5.4"},
    {"ETRN -a.example", "501 5.5.4"},
    {"ETRN [192.0.2.1]", "501 5.5.4"},
    {"ETRN a@b.example", "501 5.5.4"},
    {"STARTTLS", "502 5.5.1"},
    {"AUTH PLAIN", "502 5.5.1"},
    {"HELP", "ok"},
    {"HELP MAIL", "ok"},
    {"NOOP x y", "ok"},
    {"QUIT", "ok"},
    {"quit ", "ok"},
};

TEST(CommandParser, reads_lines) {
    for (const auto& test : lines) EXPECT_EQ(outcome(test.line), test.outcome) << test.line;
}

TEST(CommandParser, accepts_the_utf8_form_of_orcpt_with_smtputf8) {
    EXPECT_EQ(outcome("RCPT TO:<a@b> ORCPT=utf-8;ü@b", {}, true), "ok");
    EXPECT_EQ(outcome("RCPT TO:<ü@b>", {}, true), "ok");
}

TEST(CommandParser, reads_auth_where_it_is_offered) {
    EXPECT_EQ(outcome("MAIL FROM:<a@b> AUTH=<>", all_extensions), "ok");
    EXPECT_EQ(outcome("MAIL FROM:<a@b> AUTH=a+2Bb@c", all_extensions), "ok");
    EXPECT_EQ(outcome("MAIL FROM:<a@b> AUTH=a+", all_extensions), "501 5.5.4");
    EXPECT_EQ(outcome("MAIL FROM:<a@b> AUTH", all_extensions), "501 5.5.4");
}

const LineCase request_lines[] = {
    {"MT-PRIORITY=0", "ok"},
    {"mt-priority=9", "ok"},
    {"MT-PRIORITY=-9", "ok"},
    {"MT-PRIORITY=-1", "ok"},
    {"MT-PRIORITY=-0", "501 5.5.4"},
    {"MT-PRIORITY=+1", "501 5.5.4"},
    {"MT-PRIORITY=01", "501 5.5.4"},
    {"MT-PRIORITY=10", "501 5.5.4"},
    {"MT-PRIORITY=-10", "501 5.5.4"},
    {"MT-PRIORITY=-", "501 5.5.4"},
    {"MT-PRIORITY=/", "501 5.5.4"},
    {"MT-PRIORITY=:", "501 5.5.4"},
    {"MT-PRIORITY", "501 5.5.4"},
    {"MT-PRIORITY=1 MT-PRIORITY=1", "501 5.5.4"},
    {"HOLDFOR=1", "ok"},
    {"holdfor=999999999", "ok"},
    {"HOLDFOR=1000000000", "501 5.5.4"},
    {"HOLDFOR=0", "501 5.5.4"},
    {"HOLDFOR=01", "501 5.5.4"},
    {"HOLDFOR=-1", "501 5.5.4"},
    {"HOLDFOR=+1", "501 5.5.4"},
    {"HOLDFOR=1s", "501 5.5.4"},
    {"HOLDFOR", "501 5.5.4"},
    {"HOLDUNTIL=2026-11-22T18:00:00Z", "ok"},
    {"HOLDUNTIL=2026-11-22t18:00:00.25z", "ok"},
    {"HOLDUNTIL=2026-11-22T18:00:00+01:00", "ok"},
    {"HOLDUNTIL=2026-11-22", "501 5.5.4"},
    {"HOLDUNTIL=2026-11-31T18:00:00Z", "501 5.5.4"},
    {"HOLDUNTIL=3600", "501 5.5.4"},
    {"HOLDUNTIL", "501 5.5.4"},
    {"HOLDFOR=1 HOLDUNTIL=2026-11-22T18:00:00Z", "501 5.5.4"},
    {"HOLDUNTIL=2026-11-22T18:00:00Z HOLDFOR=1", "501 5.5.4"},
    {"BY=600;R", "ok"},
    {"by=+600;n", "ok"},
    {"BY=-600;N", "ok"},
    {"BY=0;N", "ok"},
    {"BY=007;NT", "ok"},
    {"BY=999999999;Rt", "ok"},
    {"BY=-999999999;NT", "ok"},
    {"BY=1000000000;N", "501 5.5.4"},
    {"BY=0;R", "501 5.5.4"},
    {"BY=-1;R", "501 5.5.4"},
    {"BY=600", "501 5.5.4"},
    {"BY=600;", "501 5.5.4"},
    {"BY=600;T", "501 5.5.4"},
    {"BY=600;TN", "501 5.5.4"},
    {"BY=600;NTT", "501 5.5.4"},
    {"BY=600;NR", "501 5.5.4"},
    {"BY=;N", "501 5.5.4"},
    {"BY=+;N", "501 5.5.4"},
    {"BY=+-1;N", "501 5.5.4"},
    {"BY=1.5;N", "501 5.5.4"},
    {"BY", "501 5.5.4"},
    {"MT-PRIORITY=3 HOLDFOR=60 BY=600;RT SIZE=1 BODY=7BIT RET=FULL ENVID=x SMTPUTF8 AUTH=<>", "ok"},
};

TEST(CommandParser, reads_what_few_senders_ask_for_where_it_is_offered) {
    for (const auto& test : request_lines) {
        const auto line = "MAIL FROM:<a@b> " + std::string(test.line);
        EXPECT_EQ(outcome(line, all_extensions), test.outcome) << line;
        EXPECT_EQ(outcome(line), "555 5.5.4") << line;
    }
    EXPECT_EQ(outcome("RCPT TO:<a@b> MT-PRIORITY=1", all_extensions), "555 5.5.4");
}

TEST(CommandParser, understands_what_few_senders_ask_for) {
    const auto command =
        parse_command("MAIL FROM:<> MT-PRIORITY=-9 HOLDFOR=60 BY=-30;NT", all_extensions, false);
    ASSERT_TRUE(command);
    const auto& mail = std::get<MailArguments>(command->arguments);
    EXPECT_EQ(mail.priority, -9);
    EXPECT_EQ(mail.hold_for_s, 60u);
    EXPECT_EQ(mail.by, (ByArgument{-30, ByMode::notify, true}));
    const auto other =
        parse_command("MAIL FROM:<> MT-PRIORITY=9 HOLDUNTIL=2026-11-22T05:05:06+01:00 BY=7;r",
                      all_extensions, false);
    ASSERT_TRUE(other);
    const auto& other_mail = std::get<MailArguments>(other->arguments);
    EXPECT_EQ(other_mail.priority, 9);
    EXPECT_EQ(other_mail.hold_until, from_unix_ms(1'795'320'306'000));
    EXPECT_EQ(other_mail.by, (ByArgument{7, ByMode::give_back, false}));
}

TEST(CommandParser, understands_what_it_reads) {
    const auto mail = parse_command(
        "MAIL FROM:<@x:a@B.example> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e+2B", {}, false);
    ASSERT_TRUE(mail);
    EXPECT_EQ(mail->verb, Verb::mail);
    const MailArguments want_mail{.reverse_path = {"a", "B.example", "b.example"},
                                  .size = 12,
                                  .body_type = BodyType::eight_bit_mime,
                                  .smtputf8 = true,
                                  .ret = Ret::headers,
                                  .envid = "e+2B"};
    EXPECT_EQ(std::get<MailArguments>(mail->arguments), want_mail);

    const auto rcpt = parse_command("rcpt to:<a@b> notify=delay,failure orcpt=rfc822;x", {}, false);
    ASSERT_TRUE(rcpt);
    const RcptArguments want_rcpt{.forward_path = {"a", "b", "b"},
                                  .notify = notify_delay | notify_failure,
                                  .orcpt = "rfc822;x"};
    EXPECT_EQ(std::get<RcptArguments>(rcpt->arguments), want_rcpt);

    const auto bdat = parse_command("BDAT 18446744073709551614 LAST", {}, false);
    ASSERT_TRUE(bdat);
    EXPECT_EQ(std::get<BdatArguments>(bdat->arguments), (BdatArguments{UINT64_MAX - 1, true}));

    const auto huge = parse_command("MAIL FROM:<> SIZE=99999999999999999999", {}, false);
    ASSERT_TRUE(huge);
    EXPECT_EQ(std::get<MailArguments>(huge->arguments).size, UINT64_MAX);
    EXPECT_TRUE(std::get<MailArguments>(huge->arguments).reverse_path.is_null());

    const auto hello = parse_command("EHLO  a b ", {}, false);
    ASSERT_TRUE(hello);
    EXPECT_EQ(std::get<HelloArguments>(hello->arguments).name, "a b");
}

TEST(CommandParser, knows_the_verb_of_any_line) {
    EXPECT_EQ(verb_of("StartTLS now"), Verb::starttls);
    EXPECT_EQ(verb_of("BDAT"), Verb::bdat);
    EXPECT_EQ(verb_of("BDATA 1"), Verb::unknown);
    EXPECT_EQ(verb_of("unknown"), Verb::unknown);
    EXPECT_EQ(verb_of(""), Verb::unknown);
    EXPECT_EQ(verb_of(" \t "), Verb::unknown);
    EXPECT_EQ(verb_of("DATA\t"), Verb::data);
    EXPECT_EQ(verb_of(" Data\r"), Verb::data);
}

// RFC 2920 section 3.1.
TEST(CommandParser, knows_which_commands_end_a_group) {
    for (const auto verb : {Verb::ehlo, Verb::helo, Verb::data, Verb::vrfy, Verb::expn, Verb::quit,
                            Verb::noop, Verb::starttls, Verb::auth}) {
        EXPECT_TRUE(ends_group(verb)) << to_string(verb);
    }
    for (const auto verb : {Verb::mail, Verb::rcpt, Verb::rset, Verb::bdat, Verb::unknown}) {
        EXPECT_FALSE(ends_group(verb)) << to_string(verb);
    }
}

TEST(CommandParser, reads_whose_mail_is_wanted) {
    using Kind = EtrnArguments::Kind;
    struct Row {
        const char* line;
        EtrnArguments arguments;
    };
    for (const auto& [line, arguments] : std::vector<Row>{
             {"ETRN us.example", {Kind::domain, "us.example", "us.example"}},
             {"etrn  US.Example ", {Kind::domain, "US.Example", "us.example"}},
             {"ETRN @us.example", {Kind::tree, "us.example", "us.example"}},
             {"ETRN bücher.example", {Kind::domain, "bücher.example", "xn--bcher-kva.example"}},
             {"ETRN #night", {Kind::queue, "night", ""}}}) {
        const auto command = parse_command(line, {}, false);
        ASSERT_TRUE(command) << line;
        EXPECT_EQ(command->verb, Verb::etrn);
        EXPECT_EQ(std::get<EtrnArguments>(command->arguments), arguments) << line;
    }
}

}  // namespace
}  // namespace mta::smtp
