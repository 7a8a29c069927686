#include "mta/outbound/attempt/host_queue.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::outbound {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Instant start{Millis{1'700'000'000'000}};

queue::SiteHandle site(std::uint32_t index) { return queue::SiteHandle(index); }
AttemptHandle attempt(std::uint32_t index) { return AttemptHandle(index); }

class HostQueueTest : public testing::Test {
protected:
    HostLimits::HostPtr full_host(const std::string& name = "mx:25") {
        auto host = std::make_shared<HostLimits::Host>();
        host->name = name;
        host->most = 20;
        host->connections = HostLimits::connections_limit(*host);
        return host;
    }
    void enter(std::uint32_t index, const HostLimits::HostPtr& host,
               Instant expires_at = Instant::max()) {
        queue_.enter(site(index), {attempt(index), host, expires_at}, start);
    }

    int ticks_ = 0;
    HostQueue queue_{start, [this] { ++ticks_; }};
};

TEST_F(HostQueueTest, calls_nobody_while_the_host_is_full) {
    const auto host = full_host();
    enter(1, host);
    queue_.look_at(host);
    EXPECT_EQ(ticks_, 1);
    EXPECT_THAT(queue_.take_hosts(start), ElementsAre(host));
    EXPECT_FALSE(queue_.first_at(*host, start));
    EXPECT_EQ(queue_.check(start), "");
}

TEST_F(HostQueueTest, calls_as_many_as_there_is_room_for_in_their_order) {
    const auto host = full_host();
    for (const auto index : {3u, 1u, 2u}) enter(index, host);
    host->connections -= 2;
    std::vector<AttemptHandle> called;
    std::vector<HostSlot> slots;
    for (auto first = queue_.first_at(*host, start); first; first = queue_.first_at(*host, start)) {
        called.push_back(first);
        slots.emplace_back(queue_, host);
        queue_.leave(site(first.index()));
    }
    EXPECT_THAT(called, ElementsAre(attempt(3), attempt(1)));
    EXPECT_EQ(host->called, 2u);
}

TEST_F(HostQueueTest, a_slot_that_is_given_up_calls_the_next_one) {
    const auto host = full_host();
    enter(1, host);
    enter(2, host);
    host->connections -= 1;
    {
        const HostSlot slot(queue_, host);
        queue_.leave(site(1));
        (void)queue_.take_hosts(start);
        EXPECT_FALSE(queue_.first_at(*host, start));
        ticks_ = 0;
    }
    EXPECT_EQ(ticks_, 1);
    EXPECT_THAT(queue_.take_hosts(start), ElementsAre(host));
    EXPECT_EQ(queue_.first_at(*host, start), attempt(2));
}

TEST_F(HostQueueTest, a_slot_that_is_moved_is_kept_once) {
    const auto host = full_host();
    HostSlot slot(queue_, host);
    HostSlot moved(std::move(slot));
    EXPECT_EQ(host->called, 1u);
    HostSlot assigned;
    assigned = std::move(moved);
    EXPECT_EQ(assigned.host(), host.get());
    assigned = HostSlot();
    EXPECT_EQ(host->called, 0u);
}

TEST_F(HostQueueTest, one_that_leaves_has_the_host_looked_at_for_the_next) {
    const auto host = full_host();
    enter(1, host);
    enter(2, host);
    queue_.leave(site(1));
    EXPECT_EQ(queue_.find(site(1)), nullptr);
    EXPECT_EQ(queue_.find(site(2))->attempt, attempt(2));
    EXPECT_THAT(queue_.take_hosts(start), ElementsAre(host));
    queue_.leave(site(1));
    EXPECT_THAT(queue_.take_hosts(start), IsEmpty());
}

TEST_F(HostQueueTest, calls_when_a_closed_host_is_open_again) {
    const auto host = full_host();
    host->connections = 0;
    host->closed_until = start + Millis{15'000};
    enter(1, host);
    EXPECT_THAT(queue_.take_hosts(start), IsEmpty());
    EXPECT_EQ(queue_.next_wakeup(), start + Millis{15'000});
    const auto open = start + Millis{15'000};
    EXPECT_THAT(queue_.take_hosts(open), ElementsAre(host));
    EXPECT_EQ(queue_.first_at(*host, open), attempt(1));
}

TEST_F(HostQueueTest, a_host_that_closes_while_attempts_wait_calls_them_when_it_opens) {
    const auto host = full_host();
    enter(1, host);
    host->connections = 0;
    host->closed_until = start + Millis{20'000};
    queue_.look_at(host);
    for (const auto& each : queue_.take_hosts(start)) queue_.end_service(each, start);
    EXPECT_EQ(queue_.next_wakeup(), start + Millis{20'000});
}

TEST_F(HostQueueTest, names_the_sites_whose_mail_expires) {
    const auto host = full_host();
    enter(1, host, start + Millis{5'000});
    enter(2, host);
    enter(3, host, start + Millis{9'000});
    queue_.set_expiry(site(3), Instant::max());
    EXPECT_THAT(queue_.take_expired(start + Millis{4'999}), IsEmpty());
    EXPECT_THAT(queue_.take_expired(start + Millis{10'000}), ElementsAre(site(1)));
    EXPECT_NE(queue_.find(site(1)), nullptr) << "its owner takes it out";
    queue_.set_expiry(site(2), start + Millis{11'000});
    queue_.leave(site(2));
    EXPECT_THAT(queue_.take_expired(start + Millis{20'000}), IsEmpty());
}

TEST_F(HostQueueTest, check_finds_one_that_nothing_will_call) {
    const auto host = full_host();
    enter(1, host);
    host->connections = 0;
    EXPECT_EQ(queue_.check(start), "site 1 waits for mx:25, which has room");
    queue_.look_at(host);
    EXPECT_EQ(queue_.check(start), "");
}

TEST_F(HostQueueTest, a_site_waits_once) {
    const auto host = full_host();
    enter(1, host);
    EXPECT_DEATH(enter(1, host), "");
}

}  // namespace
}  // namespace mta::outbound
