#include "mta/inbound/connection.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "mta/events/log_sink.h"
#include "tests/support/fake_store.h"
#include "tests/support/fake_stream.h"

namespace mta::inbound {
namespace {

class InboundConnection : public testing::Test {
protected:
    InboundConnection() {
        events_.add([this](Instant at, const events::Event& event) { log_sink_.write(at, event); });
        conf::Settings settings;
        settings.hostname = "relay.office.example";
        settings.relay.networks = {*Network::parse("192.0.2.0/24")};
        settings.relay.domains = {"office.example"};
        config_ = std::make_shared<const SessionConfig>(
            std::make_shared<const conf::Settings>(std::move(settings)));
    }
    ~InboundConnection() override {
        connection_.reset();
        loop_.run_ready();
    }

    void connect(const char* client = "192.0.2.7:4711") {
        connection_ = std::make_shared<Connection>(
            services_, config_, std::make_unique<FakeStream>(peer_, *parse_endpoint(client)), 1,
            [this] {
                ++ended_;
                connection_.reset();
            });
        connection_->start();
    }
    // Sends it and returns what the connection wrote.
    std::string say(std::string_view bytes) {
        peer_.say(bytes);
        return peer_.take_heard();
    }
    void say_until_data(std::string_view mail_parameters = "") {
        connect();
        EXPECT_TRUE(peer_.take_heard().starts_with("220 relay.office.example"));
        EXPECT_TRUE(say("EHLO client.example\r\n").starts_with("250-relay.office.example"));
        say("MAIL FROM:<a@office.example>" + std::string(mail_parameters) + "\r\n");
        say("RCPT TO:<b@them.example>\r\n");
        EXPECT_TRUE(say("DATA\r\n").starts_with("354 "));
    }

    io::Loop loop_;
    io::Clock clock_{loop_};
    std::string logged_;
    Log log_{[this](std::string_view lines) { logged_ += lines; }, true};
    events::LogSink log_sink_{log_};
    events::Dispatcher events_;
    FakeStore store_;
    std::vector<std::shared_ptr<const queue::Message>> messages_;
    std::vector<std::string> clients_;
    std::vector<queue::MessageId> lost_;
    Services services_{.loop = loop_,
                       .clock = clock_,
                       .events = events_,
                       .intake = {.store = store_,
                                  .on_message =
                                      [this](auto message, std::string_view client) {
                                          messages_.push_back(message);
                                          clients_.emplace_back(client);
                                      },
                                  .on_lost_message = [this](auto id) { lost_.push_back(id); }}};
    std::shared_ptr<const SessionConfig> config_;
    FakePeer peer_;
    std::shared_ptr<Connection> connection_;
    int ended_ = 0;
};

TEST_F(InboundConnection, says_250_only_when_the_message_is_durable_but_hands_it_on_at_once) {
    say_until_data();
    EXPECT_EQ(say("Subject: x\r\n\r\nhello\r\n.\r\n"), "");
    ASSERT_EQ(messages_.size(), 1u);
    EXPECT_TRUE(connection_->is_storing());
    store_.write_all();
    EXPECT_EQ(peer_.take_heard(), "250 2.0.0 queued as 000001\r\n");
    EXPECT_FALSE(connection_->is_storing());

    const auto& message = *messages_[0];
    EXPECT_EQ(message.id, 1u);
    EXPECT_EQ(message.envelope.reverse_path, "a@office.example");
    ASSERT_EQ(message.envelope.recipients.size(), 1u);
    EXPECT_EQ(message.envelope.recipients[0].address, "b@them.example");
    EXPECT_TRUE(message.body.starts_with("Received: from client.example ([192.0.2.7])"));
    EXPECT_TRUE(message.body.ends_with("Subject: x\r\n\r\nhello\r\n"));
    EXPECT_EQ(message.facts.size, message.body.size());
    EXPECT_EQ(clients_.front(), "client.example [192.0.2.7]");
}

TEST_F(InboundConnection, says_451_and_takes_the_message_back_when_the_store_breaks) {
    say_until_data();
    store_.fails = queue::StoreError{.kind = queue::StoreError::Kind::broken, .text = "EIO"};
    say("Subject: x\r\n\r\nhello\r\n.\r\n");
    store_.write_all();
    EXPECT_TRUE(peer_.take_heard().starts_with("451 4.3.0 "));
    EXPECT_EQ(lost_, std::vector<queue::MessageId>{1});
}

TEST_F(InboundConnection, says_452_while_the_store_has_no_room_and_takes_mail_again_afterwards) {
    connect();
    say("EHLO client.example\r\n");
    const queue::StoreError full{.kind = queue::StoreError::Kind::no_space, .text = "full"};
    store_.refuses = full;
    EXPECT_TRUE(say("MAIL FROM:<a@office.example>\r\n").starts_with("452 4.3.1 "));
    log_.flush();
    EXPECT_NE(logged_.find("cause=full"), logged_.npos)
        << "the log says what the client does not hear";
    store_.refuses.reset();
    EXPECT_TRUE(say("MAIL FROM:<a@office.example>\r\n").starts_with("250 "));
    say("RCPT TO:<b@them.example>\r\n");
    store_.refuses = full;
    EXPECT_TRUE(say("DATA\r\n").starts_with("452 4.3.1 ")) << "it was full only afterwards";
    store_.refuses.reset();
    say("RSET\r\nMAIL FROM:<a@office.example>\r\nRCPT TO:<b@them.example>\r\n");
    EXPECT_TRUE(say("DATA\r\n").starts_with("354 "));
}

TEST_F(InboundConnection, refuses_relaying_for_strangers_but_takes_mail_for_our_domains) {
    connect("203.0.113.5:9");
    say("EHLO x.example\r\n");
    say("MAIL FROM:<a@x.example>\r\n");
    EXPECT_TRUE(say("RCPT TO:<b@them.example>\r\n").starts_with("550 5.7.1 "));
    EXPECT_TRUE(say("RCPT TO:<b%them.example@office.example>\r\n").starts_with("550 5.7.1 "));
    EXPECT_TRUE(say("RCPT TO:<b@OFFICE.example>\r\n").starts_with("250 2.1.5 "));
    log_.flush();
    EXPECT_NE(logged_.find("refused session=1 client=203.0.113.5 command=\"RCPT "), logged_.npos);
    EXPECT_NE(logged_.find("is not allowed for 203.0.113.5\"\n"), logged_.npos) << logged_;
}

TEST_F(InboundConnection, logs_only_the_first_of_the_recipients_that_are_too_many) {
    connect();
    say("EHLO client.example\r\n");
    say("MAIL FROM:<a@office.example>\r\n");
    std::string said;
    for (int i = 0; i < 1010; ++i) {
        said = say("RCPT TO:<b" + std::to_string(i) + "@them.example>\r\n");
    }
    EXPECT_TRUE(said.starts_with("452 4.5.3 ")) << said;
    log_.flush();
    const auto first = logged_.find("refused session=");
    ASSERT_NE(first, logged_.npos);
    EXPECT_EQ(logged_.find("refused session=", first + 1), logged_.npos);
}

TEST_F(InboundConnection, streams_a_large_body_and_stops_reading_while_the_store_is_behind) {
    say_until_data();
    const std::string text_line = std::string(98, 'x') + "\r\n";
    std::string sent = "Subject: x\r\n\r\n";
    peer_.say(sent);
    for (int i = 0; i < 100'000; ++i) {
        if (peer_.is_paused) {
            EXPECT_LE(store_.waiting(), 1u);
            ASSERT_TRUE(store_.write_one()) << "paused, and nobody will wake it";
        }
        peer_.say(text_line);
        sent += text_line;
    }
    EXPECT_GT(store_.bodies[1].size(), 1'000'000u) << "it is kept in memory";
    peer_.say(".\r\n");
    store_.write_all();
    EXPECT_EQ(peer_.take_heard(), "250 2.0.0 queued as 000001\r\n");
    ASSERT_EQ(messages_.size(), 1u);
    EXPECT_TRUE(messages_[0]->body.empty());
    EXPECT_EQ(messages_[0]->facts.size, store_.bodies[1].size());
    EXPECT_TRUE(store_.bodies[1].ends_with(sent));
    EXPECT_LE(store_.largest_chunk, limits::body_chunk_bytes_max);
}

TEST_F(InboundConnection, forgets_what_it_streamed_when_the_client_goes_in_the_middle) {
    say_until_data();
    peer_.say("Subject: x\r\n\r\n" + std::string(150'000, 'x') + "\r\n");
    EXPECT_EQ(store_.bodies.size(), 1u);
    peer_.hang_up("connection reset by peer");
    loop_.run_ready();
    EXPECT_EQ(store_.discarded, std::vector<queue::MessageId>{1});
    EXPECT_TRUE(messages_.empty());
    EXPECT_EQ(ended_, 1);
    store_.write_all();  // the late answer has no receiver
}

TEST_F(InboundConnection, keeps_a_whole_message_whose_client_went_before_the_250) {
    say_until_data();
    say("Subject: x\r\n\r\nhello\r\n.\r\n");
    peer_.hang_up();
    loop_.run_ready();
    EXPECT_EQ(ended_, 1);
    store_.write_all();
    EXPECT_EQ(messages_.size(), 1u);
    EXPECT_TRUE(lost_.empty());
    EXPECT_TRUE(store_.discarded.empty());
}

TEST_F(InboundConnection, answers_a_client_that_sends_no_more_before_it_ends) {
    say_until_data();
    say("Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n");
    peer_.end_input();
    loop_.run_ready();
    EXPECT_EQ(ended_, 0);
    EXPECT_FALSE(peer_.is_finished);
    store_.write_all();
    const auto heard = peer_.take_heard();
    EXPECT_TRUE(heard.starts_with("250 2.0.0 queued as 000001\r\n221 2.0.0 ")) << heard;
    EXPECT_TRUE(peer_.is_finished);
    loop_.run_ready();
    EXPECT_EQ(ended_, 1);
}

TEST_F(InboundConnection, answers_the_final_dot_before_it_says_421_at_shutdown) {
    say_until_data();
    say("Subject: x\r\n\r\nhello\r\n.\r\n");
    connection_->shutdown();
    EXPECT_EQ(peer_.take_heard(), "");
    EXPECT_FALSE(peer_.is_finished);
    store_.write_all();
    const auto heard = peer_.take_heard();
    EXPECT_TRUE(heard.starts_with("250 2.0.0 queued as 000001\r\n421 4.3.2 ")) << heard;
    EXPECT_TRUE(peer_.is_finished);
}

TEST_F(InboundConnection, stops_reading_a_client_that_does_not_read_its_replies) {
    connect();
    say("EHLO client.example\r\n");
    peer_.backlog_bytes = limits::stream_backlog_bytes_max;
    say("MAIL FROM:<a@office.example>\r\n");
    EXPECT_TRUE(peer_.is_paused);
    peer_.backlog_bytes = 0;
    peer_.drain();
    EXPECT_FALSE(peer_.is_paused);
}

std::string many_recipients(int count) {
    std::string commands;
    for (int i = 0; i < count; ++i) commands += "RCPT TO:<b@them.example>\r\n";
    return commands;
}

TEST_F(InboundConnection, lets_others_have_their_turn_between_very_many_commands) {
    connect();
    say("EHLO client.example\r\nMAIL FROM:<a@office.example>\r\n");
    say("RCPT TO:<b@them.example>\r\n");
    EXPECT_FALSE(peer_.is_paused);
    FakePeer other_peer;
    const auto other = std::make_shared<Connection>(
        services_, config_,
        std::make_unique<FakeStream>(other_peer, *parse_endpoint("192.0.2.8:1")), 2, [] {});
    other->start();

    std::vector<std::ptrdiff_t> answered = {std::ranges::count(say(many_recipients(1000)), '\n')};
    EXPECT_TRUE(peer_.is_paused);
    other_peer.take_heard();
    other_peer.say("NOOP\r\n");
    EXPECT_EQ(other_peer.take_heard(), "250 2.0.0 here\r\n");
    while (peer_.is_paused && answered.size() < 100) {
        loop_.run_ready();
        answered.push_back(std::ranges::count(peer_.take_heard(), '\n'));
    }
    EXPECT_EQ(answered, std::vector<std::ptrdiff_t>(10, limits::session_commands_of_turn_max));
    EXPECT_FALSE(peer_.is_paused);
    EXPECT_EQ(ended_, 0);
}

TEST_F(InboundConnection, answers_very_many_commands_of_a_client_that_sends_no_more) {
    connect();
    say("EHLO client.example\r\nMAIL FROM:<a@office.example>\r\n");
    auto heard = say(many_recipients(1000) + "QUIT\r\n");
    peer_.end_input();
    for (int turn = 0; turn < 100 && ended_ == 0; ++turn) loop_.run_ready();
    EXPECT_EQ(ended_, 1);
    heard += peer_.take_heard();
    EXPECT_EQ(std::ranges::count(heard, '\n'), 1001);
    EXPECT_TRUE(heard.contains("\r\n221 2.0.0 "));
    EXPECT_TRUE(peer_.is_finished);
}

TEST_F(InboundConnection, shuts_down_between_very_many_commands) {
    connect();
    say("EHLO client.example\r\nMAIL FROM:<a@office.example>\r\n");
    say(many_recipients(1000));
    connection_->shutdown();
    EXPECT_TRUE(peer_.take_heard().starts_with("421 4.3.2 "));
    EXPECT_TRUE(peer_.is_finished);
    loop_.run_ready();
    EXPECT_EQ(ended_, 1);
    EXPECT_EQ(peer_.take_heard(), "");
}

TEST_F(InboundConnection, ends_once_after_quit_and_finishes_the_stream) {
    connect();
    EXPECT_TRUE(say("QUIT\r\n").find("221 2.0.0") != std::string::npos);
    EXPECT_TRUE(peer_.is_finished);
    EXPECT_EQ(ended_, 0) << "ended inside a call";
    loop_.run_ready();
    EXPECT_EQ(ended_, 1);
    EXPECT_TRUE(peer_.is_gone);
}

TEST_F(InboundConnection, answers_etrn_as_the_queue_says) {
    struct Row {
        WakeUp::Kind kind;
        const char* line;
        const char* reply;
    };
    using Kind = WakeUp::Kind;
    WakeUp answer;
    std::vector<std::string> asked;
    services_.on_wake = [&](const std::string& domain, bool is_tree) {
        asked.push_back((is_tree ? "@" : "") + domain);
        return answer;
    };
    connect();
    EXPECT_NE(say("EHLO client.example\r\n").find("ETRN"), std::string::npos);
    for (const auto& [kind, line, reply] :
         {Row{Kind::started, "ETRN Office.example",
              "253 2.0.0 OK, 12 pending messages for node Office.example started"},
          Row{Kind::started_unknown, "ETRN @office.example",
              "250 2.0.0 OK, queuing for node office.example started"},
          Row{Kind::under_way, "ETRN office.example",
              "252 2.0.0 OK, pending messages for node office.example started"},
          Row{Kind::nothing_waits, "ETRN office.example",
              "251 2.0.0 OK, no messages waiting for node office.example"},
          Row{Kind::not_ours, "ETRN them.example", "459 4.7.1 Node them.example not allowed: "},
          Row{Kind::busy, "ETRN office.example",
              "458 4.3.2 Unable to queue messages for node office.example"},
          Row{Kind::started, "ETRN #office", "458 4.3.3 Unable to queue messages for node #office"},
          Row{Kind::started, "ETRN", "501 5.5.4 "}}) {
        answer = {kind, 12};
        const auto heard = say(std::string(line) + "\r\n");
        EXPECT_TRUE(heard.starts_with(reply)) << heard;
    }
    EXPECT_EQ(asked,
              (std::vector<std::string>{"office.example", "@office.example", "office.example",
                                        "office.example", "them.example", "office.example"}));
    log_.flush();
    EXPECT_NE(logged_.find("etrn session=1 client=192.0.2.7 node=Office.example"), logged_.npos)
        << logged_;
}

TEST_F(InboundConnection, strangers_get_no_etrn_not_even_for_our_domains) {
    services_.on_wake = [](const std::string&, bool) {
        ADD_FAILURE() << "asked for a stranger";
        return WakeUp{};
    };
    connect("203.0.113.5:9");
    EXPECT_EQ(say("EHLO x.example\r\n").find("ETRN"), std::string::npos);
    EXPECT_TRUE(say("ETRN office.example\r\n").starts_with("502 5.5.1 "));
}

}  // namespace
}  // namespace mta::inbound
