#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/api/why/domain_words.h"
#include "mta/api/why/ended_words.h"
#include "mta/api/why/message_words.h"

namespace mta::api {
namespace {

using namespace std::chrono_literals;
using outbound::WaitReason;
using testing::AllOf;
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
        {WaitReason::dns_turn, "waits for its turn to ask the DNS where mail for them.example goes",
         ""},
        {WaitReason::dns_down, "It is asked again in 1m 30s", "dig MX them.example"},
        {WaitReason::destination_down, "waits for mx.them.example, which does not take mail",
         "can be reached from here"},
        {WaitReason::destination_slowed, "breaks its sessions", "posthouse flush"},
        {WaitReason::mailbox_turn, "at this mailbox", "the log of that server"},
        {WaitReason::destination_limit, "connections that mx.them.example may have",
         "connections_per_destination in [delivery], or max_connections in its [[site]]"},
        {WaitReason::message_rate, "The next one goes out in 1m 30s", "reload"},
        {WaitReason::connection_rate, "The next one is opened in 1m 30s", "reload"},
        {WaitReason::connections_limit, "connections that the relay may have",
         "connections in [delivery]"},
        {WaitReason::unanswered_limit, "among destinations that have not answered yet",
         "A quarter of connections in [delivery]"},
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

TEST(WhyWords, tell_what_the_last_connections_are_for) {
    auto message = message_that(WaitReason::connections_limit);
    message.recipients[0].blocker.busy = 375;
    message.recipients[0].blocker.limit = 500;
    EXPECT_THAT(
        text_of(words_about(message, now)),
        HasSubstr("375 of the 500 connections that the relay may have at once are busy, and "
                  "the others are for destinations that have none."));
    message.recipients[0].blocker.busy = 500;
    EXPECT_THAT(text_of(words_about(message, now)),
                HasSubstr("all 500 connections that the relay may have at once are busy"));
}

TEST(WhyWords, do_not_let_the_other_side_steer_a_terminal) {
    auto message = message_that(WaitReason::next_attempt);
    queue::Message envelope;
    envelope.envelope.reverse_path = "ann\u202e@office.example";
    message.message = std::make_shared<const queue::Message>(envelope);
    auto& view = message.recipients[0];
    view.address = "b\u009b2Jb@them.example";
    view.last_error = DeliveryError{.reply_code = 450, .text = "4.7.1 \u009b31mno"};
    const auto text = text_of(words_about(message, now));
    EXPECT_THAT(text, HasSubstr("b\ufffd2Jb@them.example"));
    EXPECT_THAT(text, HasSubstr("\ufffd31mno"));
    EXPECT_THAT(text, HasSubstr("ann\ufffd@office.example"));
    EXPECT_THAT(text, AllOf(Not(HasSubstr("\u009b")), Not(HasSubstr("\u202e"))));
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
    EXPECT_THAT(text_of(words_about(message, now)),
                HasSubstr("Answered 1 time, last tried 5m ago (11:55:00 UTC). The last answer: "
                          "mx.them.example said \"421 connection refused\"."));
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

outbound::AttemptView attempt(Millis ago, const std::string& text, std::uint16_t code = 450) {
    return {.kind = outbound::AttemptView::Kind::charged,
            .at = now - ago,
            .error = {.status = {4, 2, 1},
                      .reply_code = code,
                      .text = text,
                      .remote = "mx1.them.example [192.0.2.1]:25"}};
}

TEST(WhyWords, every_attempt_with_host_time_and_words) {
    auto message = message_that(WaitReason::next_attempt);
    auto& view = message.recipients[0];
    message.started = now - 2h;
    auto before = attempt(26h, "busy");
    before.kind = outbound::AttemptView::Kind::earlier;
    before.attempts = 3;
    view.attempts_made = {before, attempt(1h, "cannot connect: connection refused", 0),
                          attempt(5min, "4.2.1 one\ntwo")};
    const auto text = text_of(words_about(message, now));
    EXPECT_THAT(text, HasSubstr("    before the relay's start at 10:00:00: 3 attempts, the last at "
                                "2026-11-17 10:00:00: mx1.them.example [192.0.2.1]:25 said "
                                "\"450 busy\"\n"));
    EXPECT_THAT(text, HasSubstr("    11:00:00  mx1.them.example [192.0.2.1]:25: cannot connect: "
                                "connection refused\n"));
    EXPECT_THAT(text, HasSubstr("    11:55:00  mx1.them.example [192.0.2.1]:25 said "
                                "\"450 4.2.1 one / two\"\n"));
    EXPECT_THAT(text, Not(HasSubstr("no longer remembered")));
    view.is_history_cut = true;
    EXPECT_THAT(text_of(words_about(message, now)),
                HasSubstr("older ones are no longer remembered"));
}

TEST(WhyWords, only_the_newest_of_many_attempts) {
    auto message = message_that(WaitReason::next_attempt);
    for (int i = 25; i > 0; --i) {
        message.recipients[0].attempts_made.push_back(
            attempt(std::chrono::minutes(i), "number " + std::to_string(i)));
    }
    const auto text = text_of(words_about(message, now));
    EXPECT_THAT(text, HasSubstr("(15 more before these: posthouse why --json 00001z)"));
    EXPECT_THAT(text, Not(HasSubstr("number 11\"")));
    EXPECT_THAT(text, HasSubstr("number 10\""));
    EXPECT_THAT(text, HasSubstr("number 1\""));
}

TEST(WhyWords, recipients_with_the_same_fate_share_the_story) {
    auto message = message_that(WaitReason::next_attempt);
    message.recipients[0].attempts_made = {attempt(5min, "busy")};
    message.recipients.resize(3, message.recipients[0]);
    message.recipients[1].address = "carl@them.example";
    message.recipients[2].attempts_made = {attempt(5min, "full")};
    const auto text = text_of(words_about(message, now));
    EXPECT_THAT(text, HasSubstr("the same as for bob@them.example."));
    EXPECT_THAT(text, HasSubstr("450 full"));
}

TEST(WhyWords, name_the_object_that_blocks) {
    auto message = message_that(WaitReason::destination_down);
    auto& view = message.recipients[0];
    view.blocker = {.since = now - 2h, .failures = 7, .in_line = 4711};
    view.attempts_made = {attempt(2h, "connection refused", 0)};
    view.last_error = attempt(1min, "no route to host", 0).error;
    auto text = text_of(words_about(message, now));
    EXPECT_THAT(text,
                HasSubstr("does not take mail (since 10:00:00 UTC, for 2h; 7 tries failed). It is "
                          "tried in 1m 30s (12:01:30 UTC); as soon as it answers, all mail for it "
                          "goes out (4711 messages in line)."));
    EXPECT_THAT(text, HasSubstr("since then, with other mail: mx1.them.example [192.0.2.1]:25: no "
                                "route to host"));
    view.blocker.is_probing = true;
    EXPECT_THAT(text_of(words_about(message, now)), HasSubstr("It is being tried right now;"));

    view.reason = WaitReason::message_rate;
    view.blocker = {.rate = "100/min"};
    EXPECT_THAT(text_of(words_about(message, now)), HasSubstr("gets at most 100/min messages"));
    view.reason = WaitReason::destination_limit;
    view.blocker = {.limit = 20};
    EXPECT_THAT(text_of(words_about(message, now)), HasSubstr("all 20 connections that mx.them"));
    view.blocker = {.in_line = 7, .limit = 5, .remote = "mx.them.example:25"};
    text = text_of(words_about(message, now));
    EXPECT_THAT(text,
                HasSubstr("waits for mx.them.example:25, which said that there are too many "
                          "connections. It is asked again in 1m 30s (12:01:30 UTC) (7 messages in "
                          "line)."));
    EXPECT_THAT(text, Not(HasSubstr("[delivery]"))) << "it is the host's own limit";
    view.until.reset();
    text = text_of(words_about(message, now));
    EXPECT_THAT(text, HasSubstr("waits for its turn: mx.them.example:25 gets 5 connections at a "
                                "time, and all are in use (7 messages in line)."));
    EXPECT_THAT(text, HasSubstr("follows what the server bears, up to max_connections"));
    view.until = now + 90s;
    view.reason = WaitReason::delivering;
    view.blocker = {.remote = "mx.them.example", .looks_up_since = now - 12s};
    EXPECT_THAT(text_of(words_about(message, now)),
                HasSubstr("right now: the name servers are being asked for the addresses of "
                          "mx.them.example, since 11:59:48 UTC (for 12s)."));
    view.blocker = {.remote = "mx1 [192.0.2.1]:25"};
    EXPECT_THAT(text_of(words_about(message, now)),
                HasSubstr("right now, over mx1 [192.0.2.1]:25, which has time to answer until "
                          "12:01:30 UTC (in 1m 30s)."));
}

TEST(WhyWords, nobody_hears_of_a_report_that_is_given_up) {
    auto message = message_that(WaitReason::next_attempt);
    auto content = std::make_shared<queue::Message>();
    message.message = content;
    EXPECT_THAT(text_of(words_about(message, now)), HasSubstr("and nobody is told."));
    content->envelope.reverse_path = "ann@office.example";
    EXPECT_THAT(text_of(words_about(message, now)), HasSubstr("and the sender gets a report."));
}

TEST(WhyWords, how_somebody_was_given_up) {
    outbound::EndingView ending{.id = 63,
                                .address = "bob@them.example",
                                .at = now - 1min,
                                .error = attempt(1min, "5.1.1 nobody", 550).error};
    EXPECT_THAT(text_of(words_about(ending, now)), HasSubstr("Nobody was told"));
    ending.report = 64;
    EXPECT_THAT(
        text_of(words_about(ending, now)),
        HasSubstr("was given up 1m ago (11:59:00 UTC): mx1.them.example [192.0.2.1]:25 said "
                  "\"550 5.1.1 nobody\"."));
    EXPECT_THAT(text_of(words_about(ending, now)), HasSubstr("000020, which has left"));
    ending.is_report_queued = true;
    ending.has_expired = true;
    EXPECT_THAT(text_of(words_about(ending, now)), HasSubstr("its time was over"));
    EXPECT_THAT(text_of(words_about(ending, now)), HasSubstr("still on its way"));
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

TEST(WhyWords, addresses_and_sources_that_are_passed_over) {
    outbound::DomainView view;
    view.domain = "them.example";
    view.recipients = 2;
    view.site.emplace();
    view.site->name = "mx.them.example";
    view.site->suspended = {{"line-1",
                             now + 15min,
                             {.status = {5, 7, 1},
                              .scope = Scope::host,
                              .reply_code = 554,
                              .text = "your address is listed",
                              .remote = "mx.them.example"}}};
    for (int i = 1; i <= 12; ++i) {
        view.site->unwell.push_back({"mx.them.example",
                                     "192.0.2." + std::to_string(i) + ":25",
                                     now - 1h,
                                     now + 20s,
                                     {.status = {4, 4, 1},
                                      .scope = Scope::host,
                                      .reply_code = 0,
                                      .text = "cannot connect: connection refused",
                                      .remote = ""}});
    }
    const auto text = text_of(words_about(view, now));
    EXPECT_THAT(text, HasSubstr("Passed over since 1h ago (11:00:00 UTC): mx.them.example, "
                                "192.0.2.10:25. "));
    EXPECT_THAT(text, HasSubstr("connection refused. It is tried again in 20s"));
    EXPECT_THAT(text, Not(HasSubstr("192.0.2.11:25")));
    EXPECT_THAT(text, HasSubstr("So are 2 more addresses"));
    EXPECT_THAT(text, HasSubstr("refuses mail from our [[source]] line-1"));
    EXPECT_THAT(text, HasSubstr("your address is listed"));
}

}  // namespace
}  // namespace mta::api
