// A connection alone: commands one way, events with its state the other.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mta/outbound/attempt/connection.h"
#include "tests/outbound/world.h"
#include "tests/support/fake_connector.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;

std::string words_of(const ConnectionEvent& event) {
    if (std::holds_alternative<Connected>(event)) return "connected";
    if (const auto* const greeted = std::get_if<Greeted>(&event))
        return greeted->capabilities.pipelining ? "greeted, pipelining" : "greeted";
    if (std::holds_alternative<ConnectionReady>(event)) return "ready";
    if (std::holds_alternative<ConnectionRoom>(event)) return "room";
    if (std::holds_alternative<BodyOut>(event)) return "body out";
    if (const auto* const end = std::get_if<TransactionEnd>(&event)) {
        if (end->unreadable) return "unreadable";
        return end->outcome.recipients.at(0) ? "taken" : "not taken";
    }
    const auto& ended = std::get<ConnectionEnded>(event);
    return "ended" + (ended.error ? ": " + to_string(ended.error->status) : std::string());
}

class ConnectionEvents : public testing::Test {
protected:
    void open(std::optional<Connection::Trace> trace = std::nullopt) {
        Connection::Setup setup{.endpoint = {*IpAddress::parse("192.0.2.1"), 25},
                                .connect_timeout = 30s,
                                .session = {.ehlo_name = "us.example", .remote = "mx"},
                                .trace = std::move(trace)};
        connection_ = std::make_unique<Connection>(
            ports_, std::move(setup), [this](const ConnectionState& state, ConnectionEvent event) {
                state_ = state;
                if (std::holds_alternative<StateChanged>(event)) return;
                seen_.push_back(words_of(event));
                if (std::holds_alternative<ConnectionEnded>(event))
                    has_unusable_source_ = std::get<ConnectionEnded>(event).has_unusable_source;
            });
        state_ = connection_->state();
    }
    // Up to the first event `ready`.
    void greet() {
        open();
        peer_ = &connector_.accept();
        peer_->say("220 hi\r\n");
        peer_->say("250-mx\r\n250 PIPELINING\r\n");
        EXPECT_EQ(peer_->take_heard(), "EHLO us.example\r\n");
    }
    static std::shared_ptr<const queue::Message> message() {
        auto made = std::make_shared<queue::Message>();
        made->envelope.reverse_path = "a@us.example";
        made->envelope.recipients.push_back({"b@them.example", "them.example"});
        made->body = "hello\r\n";
        made->facts.size = made->body.size();
        return made;
    }
    std::vector<std::string> take_seen() { return std::exchange(seen_, {}); }

    world::Agenda agenda_;
    world::FakeStore store_{agenda_};
    FakeConnector connector_;
    Connection::Ports ports_{connector_, store_, [this] { return agenda_.now(); }};
    ConnectionState state_;
    std::vector<std::string> seen_;
    bool has_unusable_source_ = false;
    FakePeer* peer_ = nullptr;
    std::unique_ptr<Connection> connection_;
};

using Words = std::vector<std::string>;

TEST_F(ConnectionEvents, describe_a_session_from_its_opening_to_its_end) {
    greet();
    EXPECT_EQ(take_seen(), (Words{"connected", "greeted, pipelining", "ready"}));
    connection_->start(message(), {0}, std::nullopt);
    EXPECT_EQ(peer_->take_heard(),
              "MAIL FROM:<a@us.example>\r\nRCPT TO:<b@them.example>\r\nDATA\r\n");
    peer_->say("250 ok\r\n250 ok\r\n354 go\r\n");
    EXPECT_EQ(peer_->take_heard(), "hello\r\n.\r\n");
    EXPECT_EQ(take_seen(), (Words{"body out", "room"}));
    peer_->say("250 taken\r\n");
    EXPECT_EQ(take_seen(), (Words{"taken", "ready"}));
    connection_->quit();
    EXPECT_EQ(peer_->take_heard(), "QUIT\r\n");
    peer_->say("221 bye\r\n");
    EXPECT_EQ(take_seen(), (Words{"ended"}));
    EXPECT_TRUE(peer_->is_finished);
}

TEST_F(ConnectionEvents, bring_the_state_with_them) {
    open();
    EXPECT_FALSE(state_.can_start);
    EXPECT_EQ(state_.deadline, agenda_.now() + 30s);
    EXPECT_FALSE(state_.silent_since);
    greet();
    EXPECT_TRUE(state_.can_start);
    EXPECT_FALSE(state_.deadline) << "the pool limits how long it is idle";
    connection_->start(message(), {0}, std::nullopt);
    EXPECT_EQ(state_.silent_since, agenda_.now());
    EXPECT_FALSE(state_.recipient_awaited);
    peer_->say("250 ok\r\n");
    EXPECT_EQ(state_.recipient_awaited, 0u);
    EXPECT_FALSE(state_.is_past_final_dot);
    peer_->say("250 ok\r\n354 go\r\n");
    EXPECT_TRUE(state_.is_past_final_dot);
    peer_->hang_up("reset");
    EXPECT_TRUE(state_.has_ended);
    EXPECT_FALSE(state_.can_start);
}

TEST_F(ConnectionEvents, a_refused_connection_ends_with_the_hosts_error) {
    open();
    connector_.refuse({"connection refused"});
    EXPECT_EQ(take_seen(), (Words{"ended: 4.4.1"}));
    EXPECT_FALSE(has_unusable_source_);
    open();
    connector_.refuse({"no such address here", true});
    EXPECT_TRUE(has_unusable_source_);
}

TEST_F(ConnectionEvents, a_host_that_does_not_accept_in_time_is_given_up) {
    open();
    agenda_.set_now(agenda_.now() + 30s);
    connection_->on_deadline();
    EXPECT_EQ(take_seen(), (Words{"ended: 4.4.1"}));
    EXPECT_TRUE(connector_.requests.empty());
}

TEST_F(ConnectionEvents, nothing_is_reported_of_what_is_aborted) {
    greet();
    connection_->start(message(), {0}, std::nullopt);
    take_seen();
    connection_->abort();
    EXPECT_TRUE(peer_->is_gone);
    EXPECT_EQ(take_seen(), Words{});
    EXPECT_TRUE(connection_->state().has_ended);
}

TEST_F(ConnectionEvents, what_is_cut_is_reported_as_lost) {
    greet();
    connection_->start(message(), {0}, std::nullopt);
    take_seen();
    connection_->cut();
    EXPECT_EQ(take_seen(), (Words{"not taken", "ended"}));
}

TEST_F(ConnectionEvents, a_trace_may_begin_in_the_middle_of_the_session) {
    greet();
    Tracing tracing;
    ASSERT_TRUE(tracing.fetch("w", "them.example", agenda_.now()));
    const auto watchers = tracing.match(*message(), std::vector<std::uint32_t>{0}, agenda_.now());
    ASSERT_EQ(watchers.size(), 1u);
    connection_->start(message(), {0}, Connection::Trace{watchers, 7, 1});
    peer_->say("250 ok\r\n250 ok\r\n354 go\r\n");
    const auto fetched = tracing.fetch("w", "them.example", agenda_.now());
    ASSERT_TRUE(fetched && fetched->lines.size() >= 4);
    EXPECT_EQ(fetched->lines[0].text, "MAIL FROM:<a@us.example>");
    EXPECT_EQ(fetched->lines[0].connection, 7u);
    EXPECT_EQ(fetched->lines[3].text, "250 ok");
    EXPECT_EQ(fetched->lines[3].kind, TraceLine::Kind::received);
    peer_->say("250 taken\r\n");
    connection_->start(message(), {0}, Connection::Trace{});
    ASSERT_TRUE(tracing.fetch("w", "them.example", agenda_.now()));
    peer_->say("250 ok\r\n");
    EXPECT_TRUE(tracing.fetch("w", "them.example", agenda_.now())->lines.empty());
}

}  // namespace
}  // namespace mta::outbound
