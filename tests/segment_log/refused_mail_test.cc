#include "queue/segment_log/writing/refused_mail.h"

#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

const StoreError full{StoreError::Kind::no_space, "full"};

Operation operation(std::uint64_t ticket, decltype(Operation::what) what) {
    return {.shard = 3, .ticket = ticket, .what = std::move(what)};
}
Operation enqueue(std::uint64_t ticket, MessageId id) {
    return operation(ticket, Enqueue{shared_message(id, "body")});
}

std::vector<Completion> answers_of(RefusedMail& refused) {
    std::vector<Completion> answers;
    refused.take_answers(answers);
    EXPECT_FALSE(refused.has_answers());
    return answers;
}

TEST(RefusedMail, on_a_full_disk_is_mail_and_nothing_else) {
    RefusedMail refused;
    EXPECT_TRUE(refused.must_refuse(enqueue(1, 7), true));
    EXPECT_TRUE(refused.must_refuse(operation(2, AppendBody{7, "piece"}), true));
    EXPECT_FALSE(refused.must_refuse(operation(3, DiscardBody{7}), true));
    EXPECT_FALSE(
        refused.must_refuse(operation(4, Update{.id = 7, .states = {}, .reports = {}}), true));
    EXPECT_FALSE(refused.must_refuse(operation(5, Finish{.id = 7, .reports = {}}), true));
    EXPECT_FALSE(refused.must_refuse(operation(6, Barrier{}), true));
    EXPECT_FALSE(refused.must_refuse(enqueue(7, 7), false));
}

TEST(RefusedMail, is_answered_and_leaves_only_the_discarding_of_its_body) {
    RefusedMail refused;
    auto mail = enqueue(5, 7);
    refused.refuse(mail, full);
    ASSERT_TRUE(std::holds_alternative<DiscardBody>(mail.what));
    EXPECT_EQ(std::get<DiscardBody>(mail.what).id, 7u);
    EXPECT_EQ(mail.ticket, 0u);
    const auto answers = answers_of(refused);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].shard, 3u);
    EXPECT_EQ(answers[0].ticket, 5u);
    ASSERT_FALSE(answers[0].result);
    EXPECT_EQ(answers[0].result.error().kind, StoreError::Kind::no_space);
}

TEST(RefusedMail, after_one_piece_of_a_body_the_rest_is_refused_even_if_there_is_room_again) {
    RefusedMail refused;
    auto piece = operation(1, AppendBody{7, "piece"});
    refused.refuse(piece, full);
    EXPECT_TRUE(refused.must_refuse(operation(2, AppendBody{7, "piece"}), false));
    EXPECT_FALSE(refused.must_refuse(operation(3, AppendBody{8, "piece"}), false));
    auto mail = enqueue(4, 7);
    EXPECT_TRUE(refused.must_refuse(mail, false));
    refused.refuse(mail, full);
    // The message has been answered: nothing of it is remembered.
    EXPECT_FALSE(refused.must_refuse(enqueue(5, 7), false));
}

TEST(RefusedMail, is_forgotten_when_the_client_gives_the_body_up) {
    RefusedMail refused;
    auto piece = operation(1, AppendBody{7, "piece"});
    refused.refuse(piece, full);
    EXPECT_FALSE(refused.must_refuse(operation(2, DiscardBody{7}), false));
    EXPECT_FALSE(refused.must_refuse(operation(3, AppendBody{7, "piece"}), false));
}

TEST(RefusedMail, that_was_delivered_meanwhile_is_answered_with_success) {
    RefusedMail refused;
    auto mail = enqueue(5, 7);
    refused.refuse(mail, full, {7});
    const auto answers = answers_of(refused);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_TRUE(answers[0].result);
}

TEST(RefusedMail, leaves_other_operations_as_they_are) {
    RefusedMail refused;
    auto finish = operation(5, Finish{.id = 7, .reports = {}});
    refused.refuse(finish, full);
    EXPECT_TRUE(std::holds_alternative<Finish>(finish.what));
    EXPECT_EQ(finish.ticket, 5u);
    EXPECT_FALSE(refused.has_answers());
}

}  // namespace
}  // namespace queue::segment_log
