#include "mta/api/monitoring/figures.h"

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace mta::api {
namespace {

using namespace std::chrono_literals;

TEST(Figures, counters_and_latencies_of_shards_add_up) {
    const outbound::Counters one{.messages = 1,
                                 .recipients = 2,
                                 .delivering = 3,
                                 .held = 4,
                                 .connections = 5,
                                 .destinations_down = 6,
                                 .body_bytes_in_memory = 7,
                                 .accepted_total = 8,
                                 .delivered_total = 9,
                                 .deferred_total = 10,
                                 .failed_total = 11,
                                 .expired_total = 12,
                                 .in_doubt_total = 13,
                                 .reports_total = 14,
                                 .transactions_total = 15,
                                 .connects_total = 16};
    outbound::Latencies latencies;
    latencies.delivery.add(1ms);
    latencies.connect.add(2ms);
    latencies.hello.add(3ms);
    latencies.transaction.add(4ms);
    Figures sum;
    sum.add({one, latencies});
    sum.add({one, latencies});
    const auto& [messages, recipients, delivering, held, connections, down, bytes, accepted,
                 delivered, deferred, failed, expired, in_doubt, reports, transactions, connects] =
        sum.counters;
    EXPECT_EQ(
        (std::vector<std::uint64_t>{messages, recipients, delivering, held, connections, down,
                                    bytes, accepted, delivered, deferred, failed, expired, in_doubt,
                                    reports, transactions, connects}),
        (std::vector<std::uint64_t>{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32}));

    const auto& [delivery, connect, hello, transaction] = sum.latencies;
    EXPECT_EQ(delivery.sum, 2ms);
    EXPECT_EQ(connect.sum, 4ms);
    EXPECT_EQ(hello.sum, 6ms);
    EXPECT_EQ(transaction.sum, 8ms);
}

}  // namespace
}  // namespace mta::api
