#include "mta/intake/reception.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "tests/support/fake_store.h"

namespace mta::intake {
namespace {

const queue::StoreError full{.kind = queue::StoreError::Kind::no_space, .text = "full"};

class IntakeReception : public testing::Test {
protected:
    IntakeReception() { renew(); }
    void renew() {
        reception_ = std::make_unique<Reception>(services_, [this] { ++calls_; });
    }

    template <class T>
    std::optional<T> poll() {
        auto event = reception_->poll_event();
        if (!event) return std::nullopt;
        EXPECT_TRUE(std::holds_alternative<T>(*event)) << event->index();
        return std::holds_alternative<T>(*event) ? std::optional(std::get<T>(*event))
                                                 : std::nullopt;
    }
    queue::MessageId begin() {
        reception_->begin(
            {.arrival = now_,
             .envelope = {.reverse_path = "a@us.example", .recipients = {}, .envid = {}}});
        const auto begun = poll<Reception::Begun>();
        return begun ? begun->id : 0;
    }
    void end(std::uint64_t size, std::string added_header = {}) {
        reception_->end(now_, {.facts = {.size = size},
                               .message_id = "<1@us.example>",
                               .added_header = std::move(added_header),
                               .source = "pc [192.0.2.7]"});
    }

    FakeStore store_;
    std::vector<std::shared_ptr<const queue::Message>> delivered_;
    std::vector<std::string> sources_;
    std::vector<queue::MessageId> lost_;
    std::vector<Instant> stored_;
    Services services_{.store = store_,
                       .on_message =
                           [this](auto message, std::string_view source) {
                               delivered_.push_back(std::move(message));
                               sources_.emplace_back(source);
                           },
                       .on_lost_message = [this](auto id) { lost_.push_back(id); },
                       .on_stored = [this](Instant ended) { stored_.push_back(ended); }};
    std::unique_ptr<Reception> reception_;
    int calls_ = 0;
    Instant now_ = from_unix_ms(1'795'320'306'000);
};

TEST_F(IntakeReception, hands_a_small_message_on_at_once_and_acknowledges_it_when_it_is_durable) {
    const auto id = begin();
    ASSERT_NE(id, 0u);
    reception_->add("Subject: x\r\n");
    reception_->add("\r\nx\r\n");
    EXPECT_FALSE(reception_->has_event());
    end(17);
    ASSERT_EQ(store_.messages.size(), 1u);
    ASSERT_EQ(delivered_.size(), 1u);
    const auto& message = *delivered_[0];
    EXPECT_EQ(&message, store_.messages[0].get()) << "one copy";
    EXPECT_EQ(message.id, id);
    EXPECT_EQ(message.arrival, now_);
    EXPECT_EQ(message.envelope.reverse_path, "a@us.example");
    EXPECT_EQ(message.body, "Subject: x\r\n\r\nx\r\n");
    EXPECT_EQ(message.message_id, "<1@us.example>");
    EXPECT_EQ(sources_[0], "pc [192.0.2.7]");
    EXPECT_TRUE(reception_->is_storing());
    EXPECT_FALSE(reception_->has_event());
    EXPECT_EQ(calls_, 0);

    store_.write_all();
    EXPECT_EQ(calls_, 1);
    EXPECT_EQ(poll<Reception::Stored>()->id, id);
    EXPECT_FALSE(reception_->is_storing());
    EXPECT_EQ(stored_, std::vector{now_});
    EXPECT_NE(begin(), id) << "the next one";
}

TEST_F(IntakeReception, sends_a_large_body_to_the_store_in_pieces) {
    const auto id = begin();
    const std::string much(limits::body_inline_bytes_max, 'x');
    reception_->add(much);
    EXPECT_EQ(store_.waiting(), 0u) << "it may still be small";
    reception_->add("y");
    EXPECT_EQ(store_.waiting(), 1u);
    EXPECT_FALSE(poll<Reception::PieceWritten>());
    store_.write_all();
    EXPECT_TRUE(poll<Reception::PieceWritten>());
    EXPECT_EQ(calls_, 1);
    reception_->add("z");
    store_.write_all();
    EXPECT_TRUE(poll<Reception::PieceWritten>());
    end(much.size() + 2);
    EXPECT_EQ(store_.bodies[id], much + "yz");
    EXPECT_EQ(delivered_.at(0)->body, "");
    store_.write_all();
    EXPECT_TRUE(poll<Reception::Stored>());
}

TEST_F(IntakeReception, cuts_what_it_gets_into_pieces_that_the_store_takes) {
    const auto id = begin();
    const std::string much(3 * limits::body_chunk_bytes_max + 1, 'x');
    reception_->add(much);
    EXPECT_EQ(store_.waiting(), 4u);
    EXPECT_LE(store_.largest_chunk, limits::body_chunk_bytes_max);
    EXPECT_EQ(store_.bodies[id].size(), much.size());
    store_.write_all();
    EXPECT_TRUE(poll<Reception::PieceWritten>());
    EXPECT_FALSE(reception_->has_event()) << "one answer for all";
}

TEST_F(IntakeReception, puts_header_fields_in_front_that_became_known_at_the_end) {
    const std::string added = "X-Added: yes\r\n";
    for (const bool is_large : {false, true}) {
        const std::string body(is_large ? limits::body_inline_bytes_max + 1 : 10, 'x');
        begin();
        reception_->add(body);
        end(added.size() + body.size(), added);
        const auto& message = *store_.messages.back();
        EXPECT_EQ(message.added_header, added);
        EXPECT_EQ(message.body_bytes(), body.size());
        EXPECT_EQ(message.is_body_inline(), !is_large);
        store_.write_all();
        while (reception_->poll_event()) {
        }
    }
}

TEST_F(IntakeReception, says_whether_there_is_room_and_begins_nothing_without) {
    reception_->check();
    EXPECT_FALSE(poll<Reception::Checked>()->refusal);
    store_.refuses = full;
    reception_->check();
    EXPECT_EQ(poll<Reception::Checked>()->refusal->text, "full");
    reception_->begin({.arrival = now_, .envelope = {}});
    EXPECT_EQ(poll<Reception::Refused>()->error.text, "full");
    reception_->add("ignored");
    end(7);
    EXPECT_TRUE(store_.messages.empty());
    reception_->begin({.arrival = now_, .envelope = {}, .needs_room = false});
    EXPECT_TRUE(poll<Reception::Begun>());
}

TEST_F(IntakeReception, drops_a_message_of_which_a_piece_was_not_written) {
    const auto id = begin();
    store_.fails = full;
    reception_->add(std::string(limits::body_inline_bytes_max + 1, 'x'));
    store_.write_all();
    EXPECT_EQ(poll<Reception::Refused>()->error.text, "full");
    reception_->add("ignored");
    end(7);
    EXPECT_TRUE(store_.messages.empty());
    EXPECT_EQ(store_.discarded, std::vector{id});
    store_.fails.reset();
    EXPECT_NE(begin(), 0u);
}

TEST_F(IntakeReception, forgets_an_aborted_message_and_its_pieces) {
    begin();
    reception_->add("small");
    reception_->abort();
    EXPECT_TRUE(store_.discarded.empty()) << "the store never had any of it";
    const auto id = begin();
    reception_->add(std::string(limits::body_inline_bytes_max + 1, 'x'));
    reception_->abort();
    EXPECT_EQ(store_.discarded, std::vector{id});
    store_.write_all();
    EXPECT_FALSE(reception_->has_event()) << "the piece is nobody's any more";
    EXPECT_EQ(calls_, 0);
}

TEST_F(IntakeReception, takes_a_message_back_that_the_store_could_not_keep) {
    const auto id = begin();
    reception_->add("x");
    end(1);
    store_.fails = full;
    store_.write_all();
    const auto lost = poll<Reception::Lost>();
    EXPECT_EQ(lost->id, id);
    EXPECT_EQ(lost->error.text, "full");
    EXPECT_EQ(lost_, std::vector{id});
    EXPECT_TRUE(stored_.empty());
}

TEST_F(IntakeReception, keeps_a_message_whose_source_has_gone) {
    for (const bool fails : {false, true}) {
        begin();
        reception_->add("x");
        end(1);
        reception_.reset();
        if (fails) store_.fails = full;
        store_.write_all();
        EXPECT_EQ(stored_.size(), 1u);
        EXPECT_EQ(lost_.size(), fails ? 1u : 0u);
        EXPECT_EQ(calls_, 0) << "there is nobody to be called";
        renew();
    }
}

}  // namespace
}  // namespace mta::intake
