// The pool alone, without deliveries: what it counts, keeps and closes.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mta/outbound/attempt/connection_pool.h"
#include "tests/outbound/world.h"
#include "tests/support/fake_connector.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;

std::string word_of(const ConnectionPool::Event& event) {
    static constexpr const char* words[] = {"ready", "room", "body out", "silent", "end", "ended"};
    return words[event.index()];
}

class ConnectionBooks : public testing::Test {
protected:
    ConnectionBooks() {
        settings_.hostname = "us.example";
        context_ = std::make_unique<Context>(
            std::make_shared<const conf::Settings>(settings_),
            Hooks{.now = [this] { return agenda_.now(); }, .request_tick = [] {}});
        sites_ = std::make_unique<SiteTable>(*context_);
        pool_ = std::make_unique<ConnectionPool>(
            *context_,
            ConnectionPool::Parts{
                *sites_, addresses_, scheduler_,
                ConnectionPool::World{connector_, store_, tracing_, totals_, latencies_}},
            ConnectionPool::Sink{
                .on_event =
                    [this](ConnectionHandle connection, const ConnectionPool::Event& event) {
                        seen_.push_back(word_of(event));
                        seen_on_.push_back(connection);
                    },
                .on_host_room = [this](const HostLimits::HostPtr&) { ++rooms_; }});
        site_ = sites_->find_or_add({.key = "them", .name = "them.example"});
        host_ = hosts_.host("mx.them.example:25", concurrency_policy(false, 10));
    }
    ConnectionHandle open() {
        return pool_->open(site_, {.host = "mx.them.example", .endpoint = endpoint_}, host_);
    }
    // Up to its first event `ready`.
    std::pair<ConnectionHandle, FakePeer*> opened() {
        const auto connection = open();
        auto& peer = connector_.accept();
        peer.say("220 hi\r\n");
        peer.say("250-mx\r\n250 PIPELINING\r\n");
        peer.take_heard();
        seen_.clear();
        return {connection, &peer};
    }
    void pass(Millis time) {
        agenda_.set_now(agenda_.now() + time);
        pool_->tick();
    }
    static std::shared_ptr<const queue::Message> message() {
        auto made = std::make_shared<queue::Message>();
        made->envelope.reverse_path = "a@us.example";
        made->envelope.recipients.push_back({"b@them.example", "them.example"});
        made->body = "hello\r\n";
        made->facts.size = made->body.size();
        return made;
    }

    using Words = std::vector<std::string>;

    conf::Settings settings_;
    world::Agenda agenda_;
    world::FakeStore store_{agenda_};
    FakeConnector connector_;
    std::unique_ptr<Context> context_;
    queue::Scheduler scheduler_{{}, [](std::string_view) { return std::nullopt; }, 1, Instant{}};
    Tracing tracing_;
    Counters totals_;
    Latencies latencies_;
    std::unique_ptr<SiteTable> sites_;
    AddressHealth addresses_;
    HostLimits hosts_;
    HostLimits::HostPtr host_;
    queue::SiteHandle site_;
    Endpoint endpoint_{*IpAddress::parse("192.0.2.1"), 25};
    Words seen_;
    std::vector<ConnectionHandle> seen_on_;
    int rooms_ = 0;
    std::unique_ptr<ConnectionPool> pool_;
};

TEST_F(ConnectionBooks, count_a_connection_until_its_end) {
    const auto [connection, peer] = opened();
    EXPECT_EQ(pool_->total(), 1u);
    EXPECT_EQ((*sites_)[site_].connections, 1u);
    EXPECT_EQ(host_->connections, 1u);
    EXPECT_EQ((*pool_)[connection].remote(), "mx.them.example [192.0.2.1]:25");
    EXPECT_TRUE((*pool_)[connection].capabilities().pipelining);
    pool_->quit(connection);
    peer->say("221 bye\r\n");
    EXPECT_EQ(seen_, (Words{"ended"}));
    EXPECT_EQ(seen_on_.back(), connection);
    EXPECT_EQ(pool_->total(), 0u);
    EXPECT_EQ((*sites_)[site_].connections, 0u);
    EXPECT_EQ(host_->connections, 0u);
    EXPECT_EQ(rooms_, 1);
    EXPECT_TRUE((*pool_)[connection].has_ended()) << "its record is there until the next tick";
}

TEST_F(ConnectionBooks, count_the_transactions_of_a_connection) {
    const auto [connection, peer] = opened();
    pool_->start(connection, message(), {0});
    EXPECT_EQ((*pool_)[connection].active(), 1u);
    EXPECT_FALSE((*pool_)[connection].is_past_final_dot());
    peer->say("250 ok\r\n250 ok\r\n354 go\r\n");
    EXPECT_TRUE((*pool_)[connection].is_past_final_dot());
    peer->say("250 taken\r\n");
    EXPECT_EQ(seen_, (Words{"body out", "room", "end", "ready"}));
    EXPECT_EQ((*pool_)[connection].active(), 0u);
    EXPECT_EQ((*pool_)[connection].started(), 1u);
    EXPECT_EQ(totals_.transactions_total, 1u);
    EXPECT_EQ(totals_.connects_total, 1u);
}

TEST_F(ConnectionBooks, free_the_place_of_what_is_aborted_and_report_nothing) {
    const auto [connection, peer] = opened();
    pool_->start(connection, message(), {0});
    pool_->abort(connection);
    EXPECT_EQ(seen_, Words{});
    EXPECT_EQ(pool_->total(), 0u);
    EXPECT_EQ(host_->connections, 0u);
    pool_->abort(connection);
    EXPECT_EQ(host_->connections, 0u) << "once is enough";
    pass(1s);
    EXPECT_TRUE(peer->is_gone);
}

TEST_F(ConnectionBooks, keep_an_idle_connection_for_its_time) {
    const auto [connection, peer] = opened();
    pool_->park(connection);
    EXPECT_EQ(pool_->take_idle(site_), connection);
    EXPECT_FALSE(pool_->take_idle(site_));
    pool_->park(connection);
    const auto patience = context_->settings().delivery.idle_timeout;
    pass(patience - 1ms);
    EXPECT_EQ(peer->heard, "");
    pass(1ms);
    EXPECT_EQ(peer->heard, "QUIT\r\n");
    EXPECT_FALSE(pool_->take_idle(site_));
}

TEST_F(ConnectionBooks, close_the_longest_idle_to_make_room_and_each_once) {
    const auto [first, first_peer] = opened();
    const auto [second, second_peer] = opened();
    pool_->park(first);
    pool_->park(second);
    pool_->make_room(1);
    pool_->make_room(1);
    EXPECT_EQ(first_peer->heard, "QUIT\r\n");
    EXPECT_EQ(second_peer->heard, "");
    first_peer->say("221 bye\r\n");
    pool_->make_room(1);
    EXPECT_EQ(second_peer->heard, "QUIT\r\n");
}

TEST_F(ConnectionBooks, charge_a_refused_connection_to_its_address_once) {
    const auto connection = open();
    connector_.refuse({"connection refused"});
    EXPECT_EQ(seen_, (Words{"ended"}));
    const DeliveryError error{.status = {4, 4, 1}, .scope = Scope::host};
    pool_->note_failure(connection, error);
    EXPECT_FALSE(addresses_.is_well(endpoint_));
    const auto next_try = addresses_.next_try(endpoint_);
    pool_->note_failure(connection, error);
    EXPECT_EQ(addresses_.next_try(endpoint_), next_try);
}

TEST_F(ConnectionBooks, report_a_host_that_is_silent_in_a_transaction) {
    const auto [connection, peer] = opened();
    pool_->start(connection, message(), {0});
    rooms_ = 0;
    pass(SilentConnections::silence_min - 1ms);
    EXPECT_EQ(seen_, Words{});
    pass(1ms);
    EXPECT_EQ(seen_, (Words{"silent"}));
    EXPECT_EQ(rooms_, 1) << "the host may have another connection meanwhile";
    EXPECT_FALSE(host_->silent.is_empty());
    peer->say("250 ok\r\n");
    EXPECT_TRUE(host_->silent.is_empty());
}

}  // namespace
}  // namespace mta::outbound
