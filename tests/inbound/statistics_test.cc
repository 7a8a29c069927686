#include "mta/inbound/statistics.h"

#include <set>

#include <gtest/gtest.h>

#include "mta/inbound/etrn_reply.h"

namespace mta::inbound {
namespace {

TEST(Refusal, has_a_reason_for_each_reply) {
    struct Row {
        smtp::ServerReply reply;
        Refusal reason;
    };
    const Row rows[] = {
        {{550, {5, 7, 1}, "we do not relay"}, Refusal::relaying},
        {{452, {4, 3, 1}, "no room"}, Refusal::spool},
        {{451, {4, 3, 0}, "the disk"}, Refusal::spool},
        {{552, {5, 3, 4}, "too large"}, Refusal::size},
        {{452, {4, 5, 3}, "too many recipients"}, Refusal::recipients},
        {{554, {5, 4, 6}, "a loop"}, Refusal::content},
        {{554, {5, 6, 0}, "bare line ends"}, Refusal::content},
        {{500, {5, 5, 2}, "what is that?"}, Refusal::syntax},
        {{503, {5, 5, 1}, "MAIL first"}, Refusal::syntax},
        {{501, {5, 1, 3}, "no address"}, Refusal::syntax},
        {{421, {4, 3, 2}, "shutting down"}, Refusal::other},
        {reply_to({.node = "them.example"}, {.kind = WakeUp::Kind::busy}), Refusal::other},
        {reply_to({.node = "them.example"}, {.kind = WakeUp::Kind::not_ours}), Refusal::other},
        {no_such_queue({.node = "them"}), Refusal::other},
    };
    for (const auto& row : rows) EXPECT_EQ(refusal_of(row.reply), row.reason) << row.reply.text;
}

TEST(Refusal, names_are_all_different) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < refusal_count; ++i)
        names.insert(to_string(static_cast<Refusal>(i)));
    EXPECT_EQ(names.size(), refusal_count);
}

TEST(Statistics, count_refusals_by_reason) {
    Statistics statistics;
    statistics.count(Refusal::size);
    statistics.count(Refusal::size);
    statistics.count(Refusal::other);
    EXPECT_EQ(statistics.refused[static_cast<std::size_t>(Refusal::size)], 2u);
    EXPECT_EQ(statistics.refused[static_cast<std::size_t>(Refusal::other)], 1u);
}

}  // namespace
}  // namespace mta::inbound
