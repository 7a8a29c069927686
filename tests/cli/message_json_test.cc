#include "mta/cli/spool/message_json.h"

#include <gmock/gmock.h>

#include "tests/segment_log/log_world.h"

namespace mta::cli {
namespace {

using testing::HasSubstr;

const Instant now = from_unix_ms(1'795'003'200'000);  // 2026-11-18T12:00:00Z

TEST(MessageJson, reads_back_what_it_wrote) {
    auto message = queue::segment_log::make_message(63, "text\r\n");
    auto states = queue::segment_log::make_states(3);
    states[1].phase = queue::RecipientPhase::held;
    states[1].last_attempt = now;
    const auto text = to_json(message, states).dump();
    const auto read = read_message(text, now);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->envelope, message.envelope);
    EXPECT_EQ(read->arrival, message.arrival);
    EXPECT_TRUE(read->has_states);
    ASSERT_EQ(read->states.size(), 2u);
    EXPECT_EQ(read->states[0], states[0]);
    states[1].next_due = now;  // of a held one it means nothing
    EXPECT_EQ(read->states[1], states[1]);
}

TEST(MessageJson, reads_back_what_its_sender_asked_for) {
    auto message = queue::segment_log::make_message(63, "text\r\n");
    for (const auto mode : {ByMode::notify, ByMode::give_back}) {
        message.envelope.requests = {
            .priority = -9,
            .release = now + Millis{3'600'000},
            .deliver_by = {.mode = mode, .trace = mode == ByMode::notify, .at = now}};
        const auto read =
            read_message(to_json(message, queue::segment_log::make_states(0)).dump(), now);
        ASSERT_TRUE(read) << read.error();
        EXPECT_EQ(read->envelope.requests, message.envelope.requests);
    }
    message.envelope.requests = {};
    const auto json = to_json(message, queue::segment_log::make_states(0));
    for (const auto* member : {"priority", "release", "deliver_by"})
        EXPECT_FALSE(json.contains(member)) << member;
}

TEST(MessageJson, a_release_is_when_new_mail_is_due) {
    const auto read = read_message(
        R"({"sender": "", "recipients": ["b@them.example"], "release": "2026-11-19T12:00:00Z"})",
        now);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->states[0].next_due, now + std::chrono::hours{24});
    EXPECT_FALSE(read->has_states);
}

TEST(MessageJson, takes_a_recipient_that_is_named_several_times_once) {
    const auto read = read_message(
        R"({"sender": "", "recipients": [
            {"address": "b@them.example", "attempts": 3, "next_attempt": "2030-01-01T00:00:00Z"},
            "b@THEM.example", "B@them.example"]})",
        from_unix_ms(1'795'320'306'000));
    ASSERT_TRUE(read) << read.error();
    ASSERT_EQ(read->envelope.recipients.size(), 2u);
    ASSERT_EQ(read->states.size(), 2u);
    EXPECT_EQ(read->envelope.recipients[1].address, "B@them.example");
    EXPECT_EQ(read->states[0].attempts, 3u);
}

TEST(MessageJson, an_arrival_in_the_future_becomes_now) {
    const auto read = read_message(
        R"({"sender": "", "recipients": ["b@them.example"], "arrived": "2026-11-20T12:00:00Z"})",
        now);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->arrival, now);
    EXPECT_EQ(read->states[0].next_due, now);
}

TEST(MessageJson, leaves_out_recipients_that_are_done) {
    const auto text =
        to_json(queue::segment_log::make_message(63, ""), queue::segment_log::make_states(1))
            .dump();
    const auto read = read_message(text, now);
    ASSERT_TRUE(read) << read.error();
    ASSERT_EQ(read->envelope.recipients.size(), 1u);
    EXPECT_EQ(read->envelope.recipients[0].address, "a63@them.example");
    EXPECT_EQ(read->recipients_done, 1u);
}

TEST(MessageJson, names_every_state) {
    using queue::RecipientPhase;
    const std::pair<RecipientPhase, const char*> rows[] = {
        {RecipientPhase::pending, "queued"}, {RecipientPhase::delivered, "delivered"},
        {RecipientPhase::failed, "failed"},  {RecipientPhase::expired, "expired"},
        {RecipientPhase::held, "held"},      {RecipientPhase::cancelled, "cancelled"}};
    for (const auto& [phase, name] : rows) {
        queue::RecipientState state;
        state.phase = phase;
        EXPECT_EQ(state_name(state), name);
        state.in_doubt = true;
        EXPECT_EQ(state_name(state), phase == RecipientPhase::pending ? "in_doubt" : name);
    }
}

TEST(MessageJson, takes_others_files) {
    const auto read = read_message(
        R"({"sender": "<>", "recipients": ["Bob@Them.EXAMPLE", {"address": "\u00fc@b\u00fccher.example"}],
            "colour": "red"})",
        now);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->envelope.reverse_path, "");
    EXPECT_TRUE(read->envelope.smtputf8) << "an address needs it";
    EXPECT_EQ(read->arrival, now);
    EXPECT_FALSE(read->has_states);
    ASSERT_EQ(read->envelope.recipients.size(), 2u);
    EXPECT_EQ(read->envelope.recipients[0].address, "Bob@Them.EXAMPLE");
    EXPECT_EQ(read->envelope.recipients[0].domain, "them.example");
    EXPECT_EQ(read->envelope.recipients[1].domain, "xn--bcher-kva.example");
    EXPECT_EQ(read->states[0].next_due, now);
}

struct BadCase {
    const char* name;
    const char* text;
    const char* complaint;
};
#define MESSAGE(more) R"({"sender": "a@us.example", "recipients": ["b@them.example"], )" more "}"
#define RECIPIENT(more) R"({"sender": "", "recipients": [{"address": "b@them.example", )" more "}]}"
const BadCase bad_cases[] = {
    {"nothing", "", "no JSON object"},
    {"an_array", "[]", "no JSON object"},
    {"cut", R"({"sender": )", "no JSON object"},
    {"bad_utf8", "{\"sender\": \"\xff\"}", "no JSON object"},
    {"no_sender", R"({"recipients": ["b@them.example"]})", "\"sender\" must be"},
    {"bad_sender", R"({"sender": "a b", "recipients": ["b@them.example"]})", "the sender \"a b\""},
    {"sender_with_a_line_end", R"({"sender": "a@us.example\r\n", "recipients": ["b@x.example"]})",
     "the sender"},
    {"no_recipients", R"({"sender": ""})", "\"recipients\" must be"},
    {"empty_recipients", R"({"sender": "", "recipients": []})", "\"recipients\" must be"},
    {"recipients_is_text", R"({"sender": "", "recipients": "b@them.example"})",
     "\"recipients\" must be"},
    {"null_recipient", R"({"sender": "", "recipients": [""]})", "the recipient \"\""},
    {"number_as_recipient", R"({"sender": "", "recipients": [7]})", "each of \"recipients\""},
    {"one_bad_of_two", R"({"sender": "", "recipients": ["b@them.example", "c@"]})", "\"c@\""},
    {"bad_time", MESSAGE(R"("arrived": "yesterday")"), "\"arrived\" must be a time"},
    {"bad_ret", MESSAGE(R"("ret": "all")"), "\"ret\" must be one of full, hdrs"},
    {"bad_body_type", MESSAGE(R"("body_type": "binarymime")"), "\"body_type\" must be one of"},
    {"bad_envid", MESSAGE(R"("envid": "a b")"), "\"envid\" must be"},
    {"bad_smtputf8", MESSAGE(R"("smtputf8": "yes")"), "\"smtputf8\" must be"},
    {"high_priority", MESSAGE(R"("priority": 10)"), "\"priority\" must be a number"},
    {"low_priority", MESSAGE(R"("priority": -10)"), "\"priority\" must be a number"},
    {"huge_priority", MESSAGE(R"("priority": 1e30)"), "\"priority\" must be a number"},
    {"priority_is_text", MESSAGE(R"("priority": "high")"), "\"priority\" must be a number"},
    {"bad_release", MESSAGE(R"("release": "soon")"), "\"release\" must be a time"},
    {"bad_by", MESSAGE(R"("deliver_by": "soon")"), "\"deliver_by\" must have a \"time\""},
    {"by_without_time", MESSAGE(R"("deliver_by": {"mode": "return"})"), "must have a \"time\""},
    {"bad_by_mode", MESSAGE(R"("deliver_by": {"time": "2026-11-18T12:00:00Z", "mode": "R"})"),
     "\"mode\" must be one of notify, return"},
    {"bad_state", RECIPIENT(R"("state": "lost")"), "\"state\" must be one of"},
    {"bad_attempts", RECIPIENT(R"("attempts": -1)"), "\"attempts\" must be a number"},
    {"many_attempts", RECIPIENT(R"("attempts": 70000)"), "from 0 to 65535"},
    {"bad_next", RECIPIENT(R"("next_attempt": 5)"), "\"next_attempt\" must be a time"},
    {"bad_notify", RECIPIENT(R"("notify": ["always"])"), "\"notify\" may have"},
    {"notify_is_text", RECIPIENT(R"("notify": "never")"), "\"notify\" must be an array"},
    {"never_and_more", RECIPIENT(R"("notify": ["never", "delay"])"), "never goes with nothing"},
    {"bad_orcpt", RECIPIENT(R"("orcpt": "bob")"), "\"orcpt\" \"bob\""},
    {"bad_reach", RECIPIENT(R"("last_error": {"reach": "far"})"), "\"reach\" must be one of"},
};
#undef MESSAGE
#undef RECIPIENT

class MessageJsonTable : public testing::TestWithParam<BadCase> {};

TEST_P(MessageJsonTable, is_refused_with_a_sentence) {
    const auto read = read_message(GetParam().text, now);
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error(), HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(, MessageJsonTable, testing::ValuesIn(bad_cases),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace mta::cli
