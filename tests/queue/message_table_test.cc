#include "queue/message_table.h"

#include <gtest/gtest.h>

namespace queue {
namespace {

using namespace std::chrono_literals;

const mta::Instant arrival = mta::from_unix_ms(1'795'003'200'123);

StoredMessage stored() {
    Message message;
    message.id = message_id_max;
    message.arrival = arrival;
    message.message_id = "<1@office.example>";
    message.facts.size = 1025;
    message.envelope.reverse_path = "ann@office.example";
    message.envelope.recipients = {
        {"bob@them.example", "them.example", notify_never, ""},
        {"carl@there.example", "there.example", notify_success | notify_delay, ""}};
    RecipientState state;
    state.phase = RecipientPhase::cancelled;
    state.attempts = 65535;
    state.next_due = arrival + 1h;
    state.last_attempt = arrival;
    state.in_doubt = true;
    state.delay_notices = 255;
    state.last_error = {.status = {4, 7, 1}, .text = "later"};
    auto held = state;
    held.phase = RecipientPhase::held;
    held.in_doubt = false;
    return {std::make_shared<const Message>(std::move(message)), {state, held}};
}

TEST(MessageTable, knows_new_and_old_mail_by_the_same_hashes) {
    const auto mail = stored();
    MessageTable of_new;
    MessageTable of_old;
    const auto new_index = of_new.add(*mail.message);
    const auto old_index = of_old.add(to_queued(mail));
    for (const auto* const table : {&of_new, &of_old}) {
        const auto index = table == &of_new ? new_index : old_index;
        const auto& entry = table->message(index);
        EXPECT_EQ(entry.id, message_id_max);
        EXPECT_EQ(entry.arrival, arrival);
        EXPECT_EQ(entry.size_kib, 2u);
        EXPECT_TRUE(entry.has_message_id_hash(hash_of_message_id("1@office.example")));
        EXPECT_FALSE(entry.has_message_id_hash(hash_of_message_id("2@office.example")));
        const auto recipients = table->recipients(index);
        EXPECT_EQ(recipients[0].address_hash,
                  hash_of_address(mta::AddressParts{"bob", "them.example"}));
        EXPECT_EQ(recipients[1].address_hash,
                  hash_of_address(mta::AddressParts{"carl", "there.example"}));
        EXPECT_EQ(recipients[0].notify, notify_never);
        EXPECT_EQ(recipients[1].notify, notify_success | notify_delay);
        EXPECT_EQ(table->find(message_id_max), index);
    }
}

TEST(MessageTable, gives_back_the_states_that_it_was_given) {
    const auto mail = stored();
    MessageTable table;
    const auto index = table.add(to_queued(mail));
    auto states = table.states(index);
    ASSERT_EQ(states.size(), 2u);
    for (std::size_t i = 0; i < states.size(); ++i) {
        EXPECT_EQ(states[i].last_attempt, mta::from_unix_ms(1'795'003'200'000)) << "whole seconds";
        states[i].last_attempt = arrival;
        EXPECT_EQ(states[i], mail.states[i]);
    }
    EXPECT_EQ(table.held_count(), 1u);
    EXPECT_EQ(table.open_count(), 1u);
}

}  // namespace
}  // namespace queue
