#include "queue/segment_log/writing/gathered.h"

#include <string>

#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

Operation enqueue(MessageId id, std::size_t body_bytes) {
    return {.shard = 0,
            .ticket = id,
            .what = Enqueue{shared_message(id, std::string(body_bytes, 'x'))}};
}

std::vector<std::uint64_t> tickets(const std::optional<Gathered>& gathered) {
    std::vector<std::uint64_t> tickets;
    if (!gathered) return tickets;
    for (const auto& operation : gathered->operations) tickets.push_back(operation.ticket);
    return tickets;
}

TEST(Gathered, takes_what_fits_and_leaves_the_rest_in_line) {
    Pending pending;
    const Uploads uploads;
    const auto options = small_options();
    for (MessageId id = 1; id <= 3; ++id) pending.add(enqueue(id, 12u << 10));
    const auto first = gather(pending, uploads, options, 0);
    EXPECT_EQ(tickets(first), (std::vector<std::uint64_t>{1, 2}));
    EXPECT_LE(first->bytes, options.batch_bytes_max);
    EXPECT_EQ(tickets(gather(pending, uploads, options, 0)), (std::vector<std::uint64_t>{3}));
    EXPECT_FALSE(gather(pending, uploads, options, 0));
}

TEST(Gathered, leaves_room_for_what_is_carried) {
    Pending pending;
    for (MessageId id = 1; id <= 2; ++id) pending.add(enqueue(id, 12u << 10));
    const auto gathered = gather(pending, {}, small_options(), 16u << 10);
    EXPECT_EQ(tickets(gathered), (std::vector<std::uint64_t>{1}));
}

TEST(Gathered, takes_an_operation_alone_that_is_larger_than_a_batch) {
    Pending pending;
    pending.add(enqueue(1, 100u << 10));
    pending.add(enqueue(2, 10));
    EXPECT_EQ(tickets(gather(pending, {}, small_options(), 0)), (std::vector<std::uint64_t>{1}));
}

TEST(Gathered, keeps_to_the_number_of_records) {
    Pending pending;
    auto options = small_options();
    options.batch_records_max = 2;
    for (MessageId id = 1; id <= 3; ++id) pending.add(enqueue(id, 10));
    EXPECT_EQ(tickets(gather(pending, {}, options, 0)), (std::vector<std::uint64_t>{1, 2}));
}

TEST(Gathered, needs_less_room_when_its_mail_is_refused) {
    Pending pending;
    pending.add(enqueue(1, 10'000));
    pending.add({.shard = 0, .ticket = 2, .what = Finish{.id = 7, .reports = {}}});
    auto gathered = gather(pending, {}, small_options(), 0);
    ASSERT_TRUE(gathered);
    EXPECT_TRUE(gathered->has_mail());
    gathered->operations[0].what = DiscardBody{1};
    gathered->measure({});
    EXPECT_FALSE(gathered->has_mail());
    EXPECT_LT(gathered->bytes, 1'000u);
    EXPECT_GT(gathered->bytes, Batch::lead_bytes);
}

}  // namespace
}  // namespace queue::segment_log
