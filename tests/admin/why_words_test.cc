#include "mta/admin/why_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::admin {
namespace {

using namespace std::chrono_literals;
using outbound::WaitReason;
using testing::HasSubstr;
using testing::Not;

const Instant now = from_unix_ms(1'795'003'200'000);  // 2026-11-18T12:00:00Z

outbound::MessageView message_that(WaitReason reason) {
    outbound::MessageView message;
    message.id = 63;
    message.arrived = now - 30h;
    message.recipients.resize(1);
    auto& view = message.recipients[0];
    view.address = "bob@them.example";
    view.domain = "them.example";
    view.destination = "mx.them.example";
    view.reason = reason;
    view.until = now + 90s;
    view.expires = now + 4 * 24h;
    return message;
}

std::string text_of(const Lines& lines) {
    std::string text;
    for (const auto& line : lines) text += line + '\n';
    return text;
}

TEST(WhyWords, say_what_it_waits_for_and_what_can_be_done) {
    struct Row {
        WaitReason reason;
        std::string_view waits_for;
        std::string_view advice;
    };
    const Row rows[] = {
        {WaitReason::next_attempt, "waits for its next attempt, in 1m 30s (12:01:30 UTC).",
         "posthouse flush them.example"},
        {WaitReason::dns_answer, "the DNS is being asked where mail for them.example goes", ""},
        {WaitReason::dns_down, "It is asked again in 1m 30s", "dig MX them.example"},
        {WaitReason::destination_down, "waits for mx.them.example, which does not take mail",
         "can be reached from here"},
        {WaitReason::destination_limit, "connections that mx.them.example may have",
         "connections_per_destination in [delivery], or max_connections in its [[site]]"},
        {WaitReason::message_rate, "The next one goes out in 1m 30s", "reload"},
        {WaitReason::connection_rate, "The next one is opened in 1m 30s", "reload"},
        {WaitReason::connections_limit, "connections that the relay may have",
         "connections in [delivery]"},
        {WaitReason::window, "deliver_between of its [[route]]). They begin again in 1m 30s",
         "posthouse flush them.example"},
        {WaitReason::future_release, "later (FUTURERELEASE): in 1m 30s",
         "posthouse release 00001z"},
        {WaitReason::delivering, "is being delivered to mx.them.example right now", ""},
        {WaitReason::report, "has failed; the report to the sender is being made", ""},
        {WaitReason::held, "an operator stopped it", "posthouse release 00001z"},
        {WaitReason::draining, "waits for the relay's restart", ""},
        {WaitReason::not_waiting, "is done with", ""},
    };
    for (const auto& row : rows) {
        const auto text = text_of(words_about(message_that(row.reason), now));
        EXPECT_THAT(text, HasSubstr(row.waits_for));
        EXPECT_THAT(text, HasSubstr(row.advice)) << row.waits_for;
        EXPECT_THAT(text, HasSubstr("arrived 1d 6h ago (2026-11-17 06:00:00 UTC)"));
    }
}

TEST(WhyWords, tell_what_the_sender_asked_for) {
    auto message = message_that(WaitReason::next_attempt);
    EXPECT_THAT(text_of(words_about(message, now)), Not(HasSubstr("sender wants")));
    EXPECT_THAT(text_of(words_about(message, now)), Not(HasSubstr("priority")));
    message.requests.priority = 4;
    message.requests.release = now + 1h;
    message.requests.deliver_by = {ByMode::give_back, false, now + 2h};
    const auto text = text_of(words_about(message, now));
    EXPECT_THAT(text, HasSubstr("Its priority is 4: it goes before other mail of its sender."));
    EXPECT_THAT(text, HasSubstr("wants it to go out in 1h (13:00:00 UTC)."));
    EXPECT_THAT(text, HasSubstr("delivered by then or not at all: in 2h (14:00:00 UTC)."));
    message.requests = {
        .priority = -4, .release = now - 1h, .deliver_by = {ByMode::notify, false, now - 2h}};
    const auto later = text_of(words_about(message, now));
    EXPECT_THAT(later, HasSubstr("Its priority is -4: it goes behind other mail of its sender."));
    EXPECT_THAT(later, Not(HasSubstr("to go out")));
    EXPECT_THAT(later, HasSubstr("or to be told: 2h ago (10:00:00 UTC)."));
}

TEST(WhyWords, a_doubtful_delivery_is_called_one) {
    auto message = message_that(WaitReason::next_attempt);
    EXPECT_THAT(text_of(words_about(message, now)), Not(HasSubstr("may arrive twice")));
    message.recipients[0].state = outbound::ViewState::in_doubt;
    EXPECT_THAT(text_of(words_about(message, now)), HasSubstr("may arrive twice"));
}

TEST(WhyWords, tell_trouble_of_our_own_from_an_answer) {
    auto message = message_that(WaitReason::next_attempt);
    auto& view = message.recipients[0];
    EXPECT_THAT(text_of(words_about(message, now)), HasSubstr("It has not been tried yet."));
    view.last_attempt = now - 5min;
    view.last_error = DeliveryError{.status = {4, 4, 1},
                                    .scope = Scope::host,
                                    .reply_code = 0,
                                    .text = "connection refused",
                                    .remote = ""};
    EXPECT_THAT(text_of(words_about(message, now)),
                HasSubstr("The last try was 5m ago (11:55:00 UTC); nobody has answered about this "
                          "message so far. The last trouble: connection refused."));
    view.attempts = 1;
    view.last_error->reply_code = 421;
    EXPECT_THAT(
        text_of(words_about(message, now)),
        HasSubstr("Answered 1 time, last tried 5m ago (11:55:00 UTC). The last answer, from "
                  "mx.them.example: \"421 connection refused\""));
}

TEST(WhyWords, nothing_in_them_moves_a_cursor) {
    auto message = message_that(WaitReason::next_attempt);
    auto& view = message.recipients[0];
    view.address = "bob\x1b[2J@them.example";
    view.last_error = DeliveryError{.status = {4, 0, 0},
                                    .scope = Scope::host,
                                    .reply_code = 450,
                                    .text = "one\r\ntwo\x1b[31m",
                                    .remote = "mx\n\x07"};
    for (const auto& line : words_about(message, now)) {
        EXPECT_EQ(line.find_first_of("\r\n\x1b\x07"), line.npos) << line;
    }
}

TEST(WhyWords, many_recipients_are_counted) {
    auto message = message_that(WaitReason::next_attempt);
    message.recipients.resize(25, message.recipients[0]);
    const auto lines = words_about(message, now);
    EXPECT_THAT(lines.back(), HasSubstr("5 more recipients: posthouse queue --id 00001z"));
}

TEST(WhyWords, a_domain_without_dns) {
    outbound::DomainView view;
    view.domain = "them.example";
    view.recipients = 2;
    view.dns_down_since = now - 1h;
    view.next_look_up = now + 20s;
    view.dns_error = DeliveryError{.status = {4, 4, 3},
                                   .scope = Scope::domain,
                                   .reply_code = 0,
                                   .text = "SERVFAIL",
                                   .remote = ""};
    const auto text = text_of(words_about(view, now));
    EXPECT_THAT(text, HasSubstr("them.example: 2 recipients waiting."));
    EXPECT_THAT(text, HasSubstr("since 1h ago (11:00:00 UTC); it is asked again in 20s"));
    EXPECT_THAT(text, HasSubstr("SERVFAIL"));
}

}  // namespace
}  // namespace mta::admin
