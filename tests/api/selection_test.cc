#include "mta/api/selection.h"

#include <gtest/gtest.h>

namespace mta::api {
namespace {

using namespace std::chrono_literals;
using outbound::MessageFilter;

const Instant now = from_unix_ms(1'795'003'200'000);

TEST(Selection, each_name_sets_its_own_part_of_the_filter) {
    struct Row {
        const char* name;
        const char* value;
        MessageFilter want;
    };
    const Row rows[] = {
        {"id", "00001z", {.id = 63}},
        {"message_id", "<1@office.example>", {.message_id = "1@office.example"}},
        {"from", "ann@office.example", {.sender = "ann@office.example"}},
        {"from", "@office.example", {.sender = "@office.example"}},
        {"from", "<>", {.sender = ""}},
        {"to", "Bob@them.example", {.recipient = "Bob@them.example"}},
        {"to", "@Them.example", {.domain = "them.example"}},
        {"domain", "Them.example", {.domain = "them.example"}},
        {"domain", ".Them.example", {.domain = ".them.example"}},
        {"domain",
         "b\xc3\xbc"
         "cher.example",
         {.domain = "xn--bcher-kva.example"}},
        {"domain", "[192.0.2.1]", {.domain = "[192.0.2.1]"}},
        {"host", "mx.them", {.host = "mx.them"}},
        {"state", "in_doubt", {.state = outbound::ViewState::in_doubt}},
        {"older", "2h", {.arrived_before = now - 2h}},
        {"younger", "2h", {.arrived_after = now - 2h}},
        {"larger", "10kB", {.larger_than = 10'000}},
        {"smaller", "10kB", {.smaller_than = 10'000}},
        {"reply", "mailbox full", {.reply = "mailbox full"}},
    };
    for (const auto& row : rows) {
        const auto filter = parse_filter({{row.name, row.value}}, now);
        ASSERT_TRUE(filter) << row.name << ' ' << row.value << ": " << filter.error();
        EXPECT_TRUE(*filter == row.want) << row.name << ' ' << row.value;
        EXPECT_TRUE(is_filter_name(row.name)) << row.name;
    }
    EXPECT_FALSE(is_filter_name("colour"));
}

}  // namespace
}  // namespace mta::api
