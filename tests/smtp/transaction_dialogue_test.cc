#include "mta/smtp/server/transaction_dialogue.h"

#include <gtest/gtest.h>

#include "mta/base/limits.h"

namespace mta::smtp {
namespace {

using State = TransactionDialogue::State;
using Kind = Answer::Kind;

class TransactionDialogueTest : public testing::Test {
protected:
    TransactionDialogueTest() {
        client_.helo_name = "pc.office.example";
        client_.is_extended = true;
        clock_.end_silence(now_);
    }

    template <typename Event>
    Event take() {
        EXPECT_FALSE(events_.empty());
        EXPECT_TRUE(std::holds_alternative<Event>(events_.front()));
        auto event = std::get<Event>(std::move(events_.front()));
        events_.pop_front();
        return event;
    }
    Answer mail(std::string_view reverse_path = "a@them.example") {
        return dialogue_.mail(now_, {.reverse_path = *parse_mailbox(reverse_path), .envid = {}});
    }
    Answer rcpt(std::string_view forward_path = "b@us.example") {
        return dialogue_.rcpt(now_, {.forward_path = *parse_mailbox(forward_path), .orcpt = {}});
    }
    Answer decide() { return dialogue_.decide(now_, ClientRights{}); }
    // MAIL and one RCPT, with a yes to both.
    void give_envelope() {
        (void)mail();
        EXPECT_EQ(decide().reply.code, 250);
        (void)rcpt();
        EXPECT_EQ(decide().reply.code, 250);
        events_.clear();
    }
    void begin_data() {
        give_envelope();
        EXPECT_EQ(dialogue_.data(now_).kind, Kind::none);
        take<server_event::MessageBegins>();
        EXPECT_EQ(dialogue_.begin(now_, "00001z").reply.code, 354);
    }
    Answer feed(std::string_view bytes) {
        auto answer = dialogue_.feed(now_, bytes);
        EXPECT_TRUE(answer);
        EXPECT_EQ(bytes, "");
        return answer.value_or(Answer{});
    }

    const Instant now_ = from_unix_ms(1'795'320'306'000);
    const ServerOptions options_{.hostname = "relay.us.example", .postmaster = {}};
    KnownClient client_;
    SessionClock clock_{options_};
    std::deque<ServerEvent> events_;
    TransactionDialogue dialogue_{options_, client_, clock_, events_};
};

TEST_F(TransactionDialogueTest, asks_about_sender_and_recipient_and_waits_for_the_answer) {
    EXPECT_EQ(mail().kind, Kind::none);
    EXPECT_EQ(dialogue_.state(), State::deciding);
    EXPECT_EQ(take<server_event::MailAsked>().reverse_path, "a@them.example");
    EXPECT_FALSE(clock_.deadline()) << "the client has done its part";
    EXPECT_FALSE(dialogue_.has_mail());
    EXPECT_EQ(decide().kind, Kind::ok);
    EXPECT_EQ(dialogue_.state(), State::command);
    EXPECT_TRUE(dialogue_.has_mail());
    EXPECT_TRUE(clock_.deadline());
    EXPECT_EQ(rcpt().kind, Kind::none);
    EXPECT_EQ(take<server_event::RecipientAsked>().recipient.text(), "b@us.example");
    EXPECT_EQ(decide().kind, Kind::ok);
}

TEST_F(TransactionDialogueTest, counts_only_permanent_refusals_as_mistakes) {
    (void)mail();
    const ServerReply full{452, {4, 3, 1}, "full"};
    EXPECT_EQ(dialogue_.decide(now_, std::unexpected(full)).kind, Kind::deferral);
    (void)mail();
    const ServerReply no{550, {5, 7, 1}, "not you"};
    EXPECT_EQ(dialogue_.decide(now_, std::unexpected(no)).kind, Kind::mistake);
    EXPECT_FALSE(dialogue_.has_mail());
}

TEST_F(TransactionDialogueTest, takes_commands_in_their_order_only) {
    EXPECT_EQ(rcpt().reply.code, 503);
    EXPECT_EQ(dialogue_.data(now_).reply.code, 503);
    (void)mail();
    (void)decide();
    EXPECT_EQ(mail().reply.code, 503);
    const auto refused = dialogue_.data(now_);
    EXPECT_EQ(refused.reply.code, 503);
    EXPECT_TRUE(refused.refuses_data);
    client_.helo_name.clear();
    dialogue_.reset("RSET");
    EXPECT_EQ(mail().reply.text, "send EHLO first");
}

TEST_F(TransactionDialogueTest, takes_a_message_by_data) {
    begin_data();
    EXPECT_EQ(dialogue_.state(), State::data);
    EXPECT_EQ(feed("Subject: x\r\n\r\nx\r\n").kind, Kind::none);
    std::string_view rest = ".\r\nQUIT\r\n";
    EXPECT_EQ(dialogue_.feed(now_, rest)->kind, Kind::none);
    EXPECT_EQ(rest, "QUIT\r\n");
    EXPECT_EQ(dialogue_.state(), State::storing);
    take<server_event::MessageEnds>();
    const auto body = dialogue_.take_body(now_);
    EXPECT_TRUE(body.starts_with("Received: from pc.office.example ")) << body;
    EXPECT_TRUE(body.ends_with("Subject: x\r\n\r\nx\r\n")) << body;
    const auto answer = dialogue_.accept(now_);
    EXPECT_EQ(answer.reply.text, "queued as 00001z");
    EXPECT_EQ(dialogue_.state(), State::command);
    EXPECT_FALSE(dialogue_.has_mail());
}

TEST_F(TransactionDialogueTest, takes_a_message_by_chunks) {
    give_envelope();
    EXPECT_EQ(dialogue_.bdat(now_, {.size = 5, .is_last = false}).kind, Kind::none);
    EXPECT_EQ(dialogue_.state(), State::beginning);
    take<server_event::MessageBegins>();
    EXPECT_EQ(dialogue_.begin(now_, "00001z").kind, Kind::none);
    EXPECT_EQ(feed("S: ").kind, Kind::none);
    EXPECT_EQ(feed("x\r").reply.text, "5 bytes received");
    EXPECT_EQ(dialogue_.state(), State::command);
    EXPECT_EQ(rcpt().reply.code, 503) << "the message has begun";
    EXPECT_EQ(dialogue_.bdat(now_, {.size = 1, .is_last = true}).kind, Kind::none);
    EXPECT_EQ(feed("\n").kind, Kind::none);
    EXPECT_EQ(dialogue_.state(), State::storing);
    EXPECT_TRUE(dialogue_.take_body(now_).ends_with("\r\nS: x\r\n"));
}

TEST_F(TransactionDialogueTest, swallows_a_chunk_that_belongs_to_no_message) {
    EXPECT_EQ(dialogue_.bdat(now_, {.size = 4, .is_last = true}).kind, Kind::none);
    EXPECT_EQ(dialogue_.state(), State::chunk);
    EXPECT_EQ(feed("QU").kind, Kind::none);
    std::string_view rest = "ITNOOP\r\n";
    const auto answer = dialogue_.feed(now_, rest);
    EXPECT_EQ(answer->kind, Kind::mistake);
    EXPECT_EQ(answer->subject, "BDAT");
    EXPECT_EQ(rest, "NOOP\r\n");
    EXPECT_TRUE(events_.empty());
}

TEST_F(TransactionDialogueTest, expects_text_behind_a_data_that_was_refused_late) {
    give_envelope();
    (void)dialogue_.data(now_);
    const auto answer = dialogue_.refuse(now_, {452, {4, 3, 1}, "full"});
    EXPECT_EQ(answer.kind, Kind::refusal);
    EXPECT_EQ(answer.subject, "DATA");
    EXPECT_TRUE(answer.refuses_data);
    EXPECT_FALSE(dialogue_.has_mail());
}

TEST_F(TransactionDialogueTest, swallows_the_rest_of_a_message_that_is_refused_on_its_way) {
    begin_data();
    (void)feed("Subject: x\r\n");
    EXPECT_EQ(dialogue_.refuse(now_, {452, {4, 3, 1}, "full"}).kind, Kind::none);
    EXPECT_EQ(dialogue_.body_bytes(), 0u);
    (void)feed("more\r\n");
    EXPECT_EQ(dialogue_.body_bytes(), 0u);
    const auto answer = feed(".\r\n");
    EXPECT_EQ(answer.kind, Kind::mistake);
    EXPECT_EQ(answer.reply.text, "full");
    EXPECT_TRUE(events_.empty()) << "the driver has refused it and knows";
}

TEST_F(TransactionDialogueTest, aborts_a_message_once_and_only_before_its_end) {
    begin_data();
    (void)feed("Subject: x\r\n");
    dialogue_.abort("connection lost");
    EXPECT_EQ(take<server_event::MessageAborted>().reason, "connection lost");
    dialogue_.abort("connection lost");
    EXPECT_TRUE(events_.empty());
    EXPECT_EQ(dialogue_.refuse(now_, {452, {4, 3, 1}, "full"}).kind, Kind::none);
}

TEST_F(TransactionDialogueTest, aborts_a_body_with_a_problem_at_once_and_answers_at_its_end) {
    begin_data();
    (void)feed("a bare\nline feed\r\n");
    EXPECT_EQ(take<server_event::MessageAborted>().reason, "bare CR, bare LF or NUL");
    EXPECT_EQ(dialogue_.known_refusal()->code, 554);
    EXPECT_EQ(feed("\r\n.\r\n").reply.code, 554);
    EXPECT_EQ(dialogue_.state(), State::command);
}

TEST_F(TransactionDialogueTest, takes_nothing_more_until_a_full_body_is_taken) {
    begin_data();
    const std::string text(limits::body_chunk_bytes_max, 'x');
    std::string_view input = text;
    EXPECT_TRUE(dialogue_.feed(now_, input));
    EXPECT_FALSE(input.empty());
    EXPECT_TRUE(dialogue_.is_body_full());
    EXPECT_FALSE(dialogue_.feed(now_, input));
    EXPECT_FALSE(clock_.deadline()) << "the relay is to act, not the client";
    EXPECT_EQ(dialogue_.take_body(now_).size(), limits::body_chunk_bytes_max);
    EXPECT_TRUE(clock_.deadline());
    EXPECT_TRUE(dialogue_.feed(now_, input));
}

}  // namespace
}  // namespace mta::smtp
