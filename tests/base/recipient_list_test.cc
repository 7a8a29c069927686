#include "mta/base/recipient_list.h"

#include <gtest/gtest.h>

namespace mta {
namespace {

Recipient recipient(std::string address, std::string domain, unsigned notify = 0,
                    std::string orcpt = {}) {
    return {.address = std::move(address),
            .domain = std::move(domain),
            .notify = static_cast<std::uint8_t>(notify),
            .orcpt = std::move(orcpt)};
}

TEST(RecipientList, a_mailbox_is_known_by_its_local_part_and_the_a_labels_of_its_domain) {
    RecipientList list;
    EXPECT_TRUE(list.add(recipient("b@Them.example", "them.example")).is_new);
    EXPECT_FALSE(list.add(recipient("b@them.EXAMPLE", "them.example")).is_new);
    EXPECT_TRUE(list.add(recipient("B@them.example", "them.example")).is_new);
    EXPECT_TRUE(list.add(recipient("\"b\"@them.example", "them.example")).is_new);
    EXPECT_TRUE(list.add(recipient("b@others.example", "others.example")).is_new);
    EXPECT_TRUE(list.add(recipient("b@b\xc3\xbc.example", "xn--b-xga.example")).is_new);
    EXPECT_EQ(list.add(recipient("b@xn--b-xga.example", "xn--b-xga.example")).index, 4u);
    EXPECT_EQ(list.recipients()[0].address, "b@Them.example") << "the first way of writing it";
    EXPECT_EQ(list.take().size(), 5u);
    EXPECT_TRUE(list.empty());
}

TEST(RecipientList, notify_is_all_that_was_asked_for) {
    struct Row {
        unsigned one, other, both;
    };
    constexpr unsigned usual = notify_failure | notify_delay;
    for (const auto& [one, other, both] :
         {Row{notify_unspecified, notify_unspecified, notify_unspecified},
          Row{notify_never, notify_never, notify_never},
          Row{notify_never, notify_success, notify_success},
          Row{notify_never, notify_unspecified, usual},
          Row{notify_success, notify_unspecified, notify_success | usual},
          Row{notify_success, notify_failure, notify_success | notify_failure}}) {
        for (const bool is_swapped : {false, true}) {
            RecipientList list;
            list.add(recipient("b@x.example", "x.example", is_swapped ? other : one));
            list.add(recipient("b@x.example", "x.example", is_swapped ? one : other));
            EXPECT_EQ(list.recipients()[0].notify, both) << one << ' ' << other;
        }
    }
}

TEST(RecipientList, the_first_orcpt_counts) {
    RecipientList list;
    list.add(recipient("b@x.example", "x.example"));
    list.add(recipient("b@x.example", "x.example", 0, "rfc822;one"));
    list.add(recipient("b@x.example", "x.example", 0, "rfc822;two"));
    EXPECT_EQ(list.recipients()[0].orcpt, "rfc822;one");
}

TEST(RecipientList, finds_each_of_many) {
    RecipientList list;
    constexpr std::size_t count = 20'000;
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < count; ++i) {
            const auto domain = std::to_string(i % 10) + ".example";
            const auto added = list.add(recipient(std::to_string(i) + '@' + domain, domain));
            ASSERT_EQ(added.index, i);
            ASSERT_EQ(added.is_new, round == 0);
        }
    }
    EXPECT_EQ(list.size(), count);
}

}  // namespace
}  // namespace mta
