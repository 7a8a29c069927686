#include "mta/smtp/client/client_transaction.h"

#include <gtest/gtest.h>

#include "mta/diagnosis/diagnosis.h"
namespace mta::smtp {
namespace {

using namespace std::string_literals;

const Instant now = from_unix_ms(1'795'320'306'000);

// A server that offers everything; a test removes what it needs missing.
Capabilities all() {
    return {.pipelining = true,
            .eight_bit_mime = true,
            .smtputf8 = true,
            .dsn = true,
            .chunking = true,
            .binary_mime = true,
            .enhanced_status_codes = true,
            .size = true,
            .size_bytes_max = 1'000'000};
}

Transaction plain() {
    return {.envelope = {.reverse_path = "a@us.example", .recipients = {{"b@them.example"}}},
            .facts = {.size = 1234, .header_bytes = 200}};
}

TEST(ClientTransaction, an_ascii_message_needs_nothing) {
    const auto plan = plan_transaction(plain(), {}, now);
    EXPECT_FALSE(plan.error);
    EXPECT_EQ(plan.mail, "MAIL FROM:<a@us.example>\r\n");
    ASSERT_EQ(plan.recipients.size(), 1u);
    EXPECT_EQ(*plan.recipients[0], "RCPT TO:<b@them.example>\r\n");
    EXPECT_FALSE(plan.uses_bdat);
    EXPECT_EQ(plan.encoding, BodyEncoding::dot_stuffed);
    EXPECT_FALSE(plan.passes_dsn_on);
}

TEST(ClientTransaction, uses_what_is_offered) {
    auto transaction = plain();
    transaction.facts.has_8bit = true;
    transaction.envelope.ret = Ret::headers;
    transaction.envelope.envid = "QQ314159";
    transaction.envelope.recipients[0].notify = notify_success | notify_failure | notify_delay;
    transaction.envelope.recipients[0].orcpt = "rfc822;b+2Bx@old.example";
    const auto plan = plan_transaction(transaction, all(), now);
    EXPECT_EQ(plan.mail,
              "MAIL FROM:<a@us.example> SIZE=1234 BODY=8BITMIME RET=HDRS ENVID=QQ314159\r\n");
    EXPECT_EQ(*plan.recipients[0],
              "RCPT TO:<b@them.example> NOTIFY=SUCCESS,FAILURE,DELAY "
              "ORCPT=rfc822;b+2Bx@old.example\r\n");
    EXPECT_TRUE(plan.uses_bdat);
    EXPECT_EQ(plan.encoding, BodyEncoding::lines);
    EXPECT_TRUE(plan.passes_dsn_on);
    auto without = all();
    without.chunking = false;
    EXPECT_FALSE(plan_transaction(transaction, without, now).uses_bdat);
}

TEST(ClientTransaction, leaves_dsn_parameters_out_where_they_are_not_understood) {
    auto transaction = plain();
    transaction.envelope.ret = Ret::full;
    transaction.envelope.envid = "x";
    transaction.envelope.recipients[0].notify = notify_never;
    transaction.envelope.recipients[0].orcpt = "rfc822;b@them.example";
    auto capabilities = all();
    EXPECT_EQ(*plan_transaction(transaction, capabilities, now).recipients[0],
              "RCPT TO:<b@them.example> NOTIFY=NEVER ORCPT=rfc822;b@them.example\r\n");
    capabilities.dsn = false;
    const auto plan = plan_transaction(transaction, capabilities, now);
    EXPECT_EQ(plan.mail, "MAIL FROM:<a@us.example> SIZE=1234\r\n");
    EXPECT_EQ(*plan.recipients[0], "RCPT TO:<b@them.example>\r\n");
    EXPECT_FALSE(plan.passes_dsn_on);
}

TEST(ClientTransaction, passes_a_priority_on_to_servers_that_know_it) {
    auto transaction = plain();
    auto capabilities = all();
    capabilities.mt_priority = true;
    const std::pair<std::int8_t, std::string> cases[] = {
        {0, ""}, {9, " MT-PRIORITY=9"}, {-4, " MT-PRIORITY=-4"}};
    for (const auto& [priority, parameter] : cases) {
        transaction.envelope.requests.priority = priority;
        EXPECT_EQ(plan_transaction(transaction, capabilities, now).mail,
                  "MAIL FROM:<a@us.example> SIZE=1234" + parameter + "\r\n");
        EXPECT_EQ(plan_transaction(transaction, all(), now).mail,
                  "MAIL FROM:<a@us.example> SIZE=1234\r\n");
    }
}

struct DeliverByCase {
    const char* name;
    DeliverBy by;
    std::optional<std::uint32_t> offers;   // DELIVERBY with this minimum
    std::optional<std::string> parameter;  // empty if the message does not go
};

const DeliverByCase deliver_by_cases[] = {
    {"not_asked_for", {}, 0, ""},
    {"return", {ByMode::give_back, false, now + Millis{600'000}}, 0, " BY=600;R"},
    {"return_with_trace", {ByMode::give_back, true, now + Millis{600'999}}, 0, " BY=600;RT"},
    {"return_at_the_servers_least",
     {ByMode::give_back, false, now + Millis{60'000}},
     60,
     " BY=60;R"},
    {"return_below_the_servers_least",
     {ByMode::give_back, false, now + Millis{59'999}},
     60,
     std::nullopt},
    {"return_in_the_last_second", {ByMode::give_back, false, now + Millis{999}}, 0, std::nullopt},
    {"return_too_late", {ByMode::give_back, false, now - Millis{1}}, 0, std::nullopt},
    {"return_where_it_is_not_known",
     {ByMode::give_back, false, now + Millis{600'000}},
     std::nullopt,
     std::nullopt},
    {"notify", {ByMode::notify, false, now + Millis{30'000}}, 60, " BY=30;N"},
    {"notify_late", {ByMode::notify, true, now - Millis{1500}}, 60, " BY=-2;NT"},
    {"notify_for_ever",
     {ByMode::notify, false, now + Millis{2'000'000'000'000}},
     0,
     " BY=999999999;N"},
    {"notify_where_it_is_not_known",
     {ByMode::notify, true, now + Millis{30'000}},
     std::nullopt,
     ""},
};

TEST(ClientTransaction, passes_on_how_much_time_is_left) {
    for (const auto& test : deliver_by_cases) {
        auto transaction = plain();
        transaction.envelope.requests.deliver_by = test.by;
        auto capabilities = all();
        capabilities.deliver_by = test.offers.has_value();
        capabilities.deliver_by_min_s = test.offers.value_or(0);
        const auto plan = plan_transaction(transaction, capabilities, now);
        EXPECT_EQ(plan.error.has_value(), !test.parameter) << test.name;
        if (plan.error) {
            EXPECT_EQ(to_string(plan.error->status), "5.4.7") << test.name;
            EXPECT_EQ(plan.error->scope, Scope::message) << test.name;
            continue;
        }
        EXPECT_EQ(plan.mail, "MAIL FROM:<a@us.example> SIZE=1234" + *test.parameter + "\r\n")
            << test.name;
        EXPECT_EQ(plan.passes_deliver_by_on, !test.parameter->empty()) << test.name;
    }
}

TEST(ClientTransaction, the_null_reverse_path_is_written_as_such) {
    auto transaction = plain();
    transaction.envelope.reverse_path = "";
    EXPECT_EQ(plan_transaction(transaction, {}, now).mail, "MAIL FROM:<>\r\n");
}

struct LackCase {
    const char* name;
    Transaction transaction;
    bool Capabilities::* lacking;
    std::optional<EnhancedStatus> error;
    std::string mail;  // if there is no error
};

Transaction with(auto change) {
    auto transaction = plain();
    change(transaction);
    return transaction;
}

const LackCase lack_cases[] = {
    {"utf8_local_part", with([](auto& t) { t.envelope.reverse_path = "j\xc3\xbcrgen@us.example"; }),
     &Capabilities::smtputf8, EnhancedStatus{4, 6, 7}, ""},
    {"utf8_header",
     with([](auto& t) { t.envelope.smtputf8 = t.facts.has_8bit = t.facts.header_has_8bit = true; }),
     &Capabilities::smtputf8, EnhancedStatus{4, 6, 7}, ""},
    {"utf8_body_only", with([](auto& t) { t.envelope.smtputf8 = t.facts.has_8bit = true; }),
     &Capabilities::smtputf8, std::nullopt, "MAIL FROM:<a@us.example> SIZE=1234 BODY=8BITMIME\r\n"},
    {"ascii_message_marked_as_utf8", with([](auto& t) { t.envelope.smtputf8 = true; }),
     &Capabilities::smtputf8, std::nullopt, "MAIL FROM:<a@us.example> SIZE=1234\r\n"},
    {"ascii_message_marked_as_utf8_to_one_that_could",
     with([](auto& t) { t.envelope.smtputf8 = true; }), &Capabilities::dsn, std::nullopt,
     "MAIL FROM:<a@us.example> SIZE=1234\r\n"},
    {"utf8_domain_alone", with([](auto& t) {
         t.envelope.reverse_path =
             "a@b\xc3\xbc"
             "cher.example";
     }),
     &Capabilities::smtputf8, std::nullopt, "MAIL FROM:<a@xn--bcher-kva.example> SIZE=1234\r\n"},
    {"utf8_local_part_to_one_that_can", with([](auto& t) {
         t.envelope.reverse_path =
             "\xc3\xbc@b\xc3\xbc"
             "cher.example";
     }),
     &Capabilities::dsn, std::nullopt,
     "MAIL FROM:<\xc3\xbc@b\xc3\xbc"
     "cher.example> SIZE=1234 SMTPUTF8\r\n"},
    {"raw_8bit_header_of_old",
     with([](auto& t) { t.facts.has_8bit = t.facts.header_has_8bit = true; }),
     &Capabilities::smtputf8, std::nullopt, "MAIL FROM:<a@us.example> SIZE=1234 BODY=8BITMIME\r\n"},
    {"8bit_body", with([](auto& t) { t.facts.has_8bit = true; }), &Capabilities::eight_bit_mime,
     EnhancedStatus{4, 6, 3}, ""},
    {"8bit_declared_but_not_there",
     with([](auto& t) { t.envelope.body_type = BodyType::eight_bit_mime; }),
     &Capabilities::eight_bit_mime, std::nullopt, "MAIL FROM:<a@us.example> SIZE=1234\r\n"},
    {"8bit_with_smtputf8", with([](auto& t) { t.envelope.smtputf8 = t.facts.has_8bit = true; }),
     &Capabilities::eight_bit_mime, std::nullopt,
     "MAIL FROM:<a@us.example> SIZE=1234 SMTPUTF8\r\n"},
    {"binary", with([](auto& t) { t.envelope.body_type = BodyType::binary_mime; }),
     &Capabilities::binary_mime, EnhancedStatus{4, 6, 1}, ""},
    {"binary_without_chunking", with([](auto& t) { t.envelope.body_type = BodyType::binary_mime; }),
     &Capabilities::chunking, EnhancedStatus{4, 6, 1}, ""},
    {"binary_to_one_that_can", with([](auto& t) {
         t.envelope.body_type = BodyType::binary_mime;
         t.facts.has_8bit = true;
     }),
     &Capabilities::dsn, std::nullopt, "MAIL FROM:<a@us.example> SIZE=1234 BODY=BINARYMIME\r\n"},
    {"size_not_offered", plain(), &Capabilities::size, std::nullopt,
     "MAIL FROM:<a@us.example>\r\n"},
};

class ClientTransactionLack : public testing::TestWithParam<LackCase> {};

TEST_P(ClientTransactionLack, is_handled_as_the_rfcs_say) {
    const auto& test = GetParam();
    auto capabilities = all();
    capabilities.*test.lacking = false;
    const auto plan = plan_transaction(test.transaction, capabilities, now);
    ASSERT_EQ(plan.error.has_value(), test.error.has_value());
    if (test.error) {
        EXPECT_EQ(to_string(plan.error->status), to_string(*test.error));
        EXPECT_EQ(plan.error->scope, Scope::message);
        EXPECT_TRUE(diagnosis::diagnose(*plan.error).is_missing_keyword);
        EXPECT_FALSE(plan.error->text.empty());
    }
    EXPECT_EQ(plan.mail, test.mail);
}

INSTANTIATE_TEST_SUITE_P(, ClientTransactionLack, testing::ValuesIn(lack_cases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(ClientTransaction, only_the_recipient_that_needs_smtputf8_fails_without_it) {
    auto transaction = plain();
    transaction.envelope.recipients = {{"b@them.example"},
                                       {"\xc3\xbc@them.example"},
                                       {"c@b\xc3\xbc"
                                        "cher.example"}};
    auto capabilities = all();
    EXPECT_EQ(plan_transaction(transaction, capabilities, now).mail,
              "MAIL FROM:<a@us.example> SIZE=1234 SMTPUTF8\r\n");
    capabilities.smtputf8 = false;
    const auto plan = plan_transaction(transaction, capabilities, now);
    EXPECT_FALSE(plan.error);
    EXPECT_EQ(plan.mail, "MAIL FROM:<a@us.example> SIZE=1234\r\n");
    EXPECT_TRUE(plan.recipients[0]);
    ASSERT_FALSE(plan.recipients[1]);
    EXPECT_EQ(to_string(plan.recipients[1].error().status), "4.6.7");
    EXPECT_EQ(plan.recipients[1].error().scope, Scope::message);
    EXPECT_TRUE(diagnosis::diagnose(plan.recipients[1].error()).is_missing_keyword);
    EXPECT_EQ(*plan.recipients[2], "RCPT TO:<c@xn--bcher-kva.example>\r\n");
}

TEST(ClientTransaction, says_whether_the_message_must_and_can_become_seven_bit_text) {
    struct Row {
        const char* name;
        Transaction transaction;
        Capabilities capabilities;
        Conversion want;
    };
    const auto eight_bit = with([](auto& t) { t.facts.has_8bit = true; });
    const auto raw_header =
        with([](auto& t) { t.facts.has_8bit = t.facts.header_has_8bit = true; });
    const auto international = with(
        [](auto& t) { t.envelope.smtputf8 = t.facts.has_8bit = t.facts.header_has_8bit = true; });
    const auto binary = with([](auto& t) {
        t.envelope.body_type = BodyType::binary_mime;
        t.facts.has_8bit = true;
    });
    const Row rows[] = {
        {"ascii", plain(), {}, Conversion::not_needed},
        {"8bit where it is taken", eight_bit, {.eight_bit_mime = true}, Conversion::not_needed},
        {"8bit where it is not", eight_bit, {}, Conversion::possible},
        {"a raw header where it is taken",
         raw_header,
         {.eight_bit_mime = true},
         Conversion::not_needed},
        {"a raw header where it is not", raw_header, {}, Conversion::impossible},
        {"international", international, all(), Conversion::not_needed},
        {"international without SMTPUTF8",
         international,
         {.eight_bit_mime = true},
         Conversion::impossible},
        {"binary", binary, all(), Conversion::not_needed},
        {"binary without BINARYMIME",
         binary,
         {.eight_bit_mime = true, .chunking = true},
         Conversion::possible},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(conversion_for(row.transaction, row.capabilities), row.want) << row.name;
        const auto plan = plan_transaction(row.transaction, row.capabilities, now);
        EXPECT_EQ(plan.error.has_value(), row.want != Conversion::not_needed) << row.name;
        if (!plan.error) continue;
        EXPECT_EQ(plan.error->text.contains("quoted-printable"), row.want == Conversion::possible)
            << row.name;
    }
}

TEST(ClientTransaction, too_large_a_message_is_not_sent) {
    auto transaction = plain();
    auto capabilities = all();
    capabilities.size_bytes_max = 1234;
    EXPECT_FALSE(plan_transaction(transaction, capabilities, now).error);
    capabilities.size_bytes_max = 1233;
    const auto plan = plan_transaction(transaction, capabilities, now);
    ASSERT_TRUE(plan.error);
    EXPECT_EQ(to_string(plan.error->status), "5.3.4");
    EXPECT_EQ(plan.error->scope, Scope::message);
    capabilities.size_bytes_max = 0;
    EXPECT_FALSE(plan_transaction(transaction, capabilities, now).error);
}

TEST(ClientTransaction, what_could_become_a_command_is_never_written) {
    const std::string bad[] = {"a\r\nRCPT TO:<x@them.example>",
                               "a\n@b",
                               "a\r@b",
                               "a\0b@c"s,
                               "a\x01@b",
                               "a\x7f@b",
                               "a b@c",
                               "a>b@c",
                               "a<b@c",
                               "\"a@b",
                               "a\xff@b",
                               "\xc3\x28@b",
                               std::string(400, 'a') + "@b",
                               "a@b> SIZE=1"};
    for (const auto& address : bad) {
        auto transaction = plain();
        transaction.envelope.reverse_path = address;
        auto plan = plan_transaction(transaction, all(), now);
        ASSERT_TRUE(plan.error) << testing::PrintToString(address);
        EXPECT_EQ(to_string(plan.error->status), "5.1.7");

        transaction = plain();
        transaction.envelope.recipients.push_back({address});
        plan = plan_transaction(transaction, all(), now);
        EXPECT_FALSE(plan.error);
        EXPECT_TRUE(plan.recipients[0]);
        ASSERT_FALSE(plan.recipients[1]) << testing::PrintToString(address);
        EXPECT_EQ(to_string(plan.recipients[1].error().status), "5.1.3");
        EXPECT_EQ(plan.recipients[1].error().scope, Scope::recipient);
    }
    for (const std::string& value : {"a\r\nb"s, "a b"s, "a\0b"s, std::string(5000, 'x')}) {
        auto transaction = plain();
        transaction.envelope.envid = value;
        ASSERT_TRUE(plan_transaction(transaction, all(), now).error);
        transaction = plain();
        transaction.envelope.recipients[0].orcpt = value;
        const auto plan = plan_transaction(transaction, all(), now);
        ASSERT_FALSE(plan.recipients[0]);
        EXPECT_EQ(to_string(plan.recipients[0].error().status), "5.5.4");
    }
}

TEST(ClientTransaction, quoted_local_parts_pass_as_they_are) {
    for (const std::string& address :
         {"\"a b\"@them.example"s, "\"a>b<\\\"c\"@them.example"s, "postmaster"s}) {
        auto transaction = plain();
        transaction.envelope.recipients = {{address}};
        EXPECT_EQ(plan_transaction(transaction, {}, now).recipients[0],
                  "RCPT TO:<" + address + ">\r\n");
    }
    auto transaction = plain();
    transaction.envelope.recipients = {{""}};
    EXPECT_FALSE(plan_transaction(transaction, {}, now).recipients[0]);
}

TEST(ClientTransaction, a_utf8_orcpt_goes_in_the_form_that_the_server_can_read) {
    auto transaction = plain();
    transaction.envelope.recipients[0].orcpt = "utf-8;\xc3\xbc\xf0\x9f\x90\xb4@b";
    auto capabilities = all();
    capabilities.smtputf8 = false;
    EXPECT_EQ(*plan_transaction(transaction, capabilities, now).recipients[0],
              "RCPT TO:<b@them.example> ORCPT=utf-8;\\x{FC}\\x{1F434}@b\r\n");
    transaction.envelope.reverse_path = "\xc3\xbc@us.example";
    EXPECT_EQ(*plan_transaction(transaction, all(), now).recipients[0],
              "RCPT TO:<b@them.example> ORCPT=utf-8;\xc3\xbc\xf0\x9f\x90\xb4@b\r\n");
}

}  // namespace
}  // namespace mta::smtp
