// Requests with MAIL beyond delivery: which clients may make them, their limits, their effect.
#include <gtest/gtest.h>

#include "mta/base/time_format.h"
#include "mta/smtp/server/server_session.h"
#include "tests/smtp/server_world.h"

namespace mta::smtp {
namespace {

using namespace std::chrono_literals;
using test::ServerWorld;

ServerOptions options() {
    auto options = ServerWorld::default_options();
    options.extensions.mt_priority = true;
    options.extensions.future_release = true;
    options.extensions.deliver_by = true;
    options.future_release_max = 24h;
    options.deliver_by_min_s = 60;
    return options;
}

ClientInfo own_client() {
    auto client = ServerWorld::stranger();
    client.rights.is_own = true;
    client.rights.may_prioritise = true;
    return client;
}

bool offers(std::string_view ehlo_reply, std::string_view line) {
    return ehlo_reply.contains("-" + std::string(line) + "\r\n");
}

// The first line of the reply to a command, without its text: "250 2.1.0".
std::string code(std::string_view said) { return std::string(said.substr(0, 9)); }

struct Sent {
    std::string mail;
    std::string end;
    Requests requests;
};

// One message with these parameters, in pieces of `step` bytes. Without the right reply to MAIL
// there is no message.
Sent send(ServerWorld& world, const std::string& parameters, bool by_bytes) {
    const auto say = [&](const std::string& bytes) {
        return by_bytes ? world.send_by_bytes(bytes) : world.send(bytes);
    };
    world.greet();
    Sent sent;
    sent.mail = say("MAIL FROM:<a@them.example> " + parameters + "\r\n");
    if (!sent.mail.starts_with("250")) return sent;
    say("RCPT TO:<b@us.example>\r\n");
    say("DATA\r\n");
    sent.end = say("Subject: x\r\n\r\nhello\r\n.\r\n");
    if (world.accepted.size() == 1) sent.requests = world.accepted[0].envelope.requests;
    return sent;
}

TEST(ServerRequests, are_offered_to_clients_whose_wish_counts) {
    struct Row {
        bool is_own, may_prioritise;
    };
    for (const auto& [is_own, may_prioritise] :
         {Row{false, false}, Row{true, false}, Row{false, true}, Row{true, true}}) {
        auto client = ServerWorld::stranger();
        client.rights.is_own = is_own;
        client.rights.may_prioritise = may_prioritise;
        ServerWorld world(options(), client);
        world.connect();
        const auto reply = world.send("EHLO client.example\r\n");
        EXPECT_EQ(offers(reply, "MT-PRIORITY"), may_prioritise) << reply;
        EXPECT_EQ(offers(reply, "DELIVERBY 60"), is_own) << reply;
        EXPECT_EQ(offers(reply, "FUTURERELEASE 86400 2026-11-23T04:05:06Z"), is_own) << reply;
    }
    ServerWorld without(ServerWorld::default_options(), own_client());
    without.connect();
    const auto reply = without.send("EHLO client.example\r\n");
    for (const auto* keyword : {"MT-PRIORITY", "DELIVERBY", "FUTURERELEASE"})
        EXPECT_EQ(reply.find(keyword), reply.npos);
}

const Instant now = from_unix_ms(1'795'320'306'000);  // 2026-11-22T04:05:06Z

struct RequestCase {
    const char* parameters;
    Requests want;
};

const RequestCase request_cases[] = {
    {"SIZE=1", {}},
    {"MT-PRIORITY=0", {}},
    {"MT-PRIORITY=7", {.priority = 7}},
    {"MT-PRIORITY=-9", {.priority = -9}},
    {"HOLDFOR=1", {.release = now + 1s}},
    {"HOLDFOR=86400", {.release = now + 24h}},
    {"HOLDUNTIL=2026-11-22T04:05:07Z", {.release = now + 1s}},
    {"HOLDUNTIL=2026-11-23T04:05:06Z", {.release = now + 24h}},
    {"BY=60;R", {.deliver_by = {ByMode::give_back, false, now + 60s}}},
    {"BY=600;RT", {.deliver_by = {ByMode::give_back, true, now + 600s}}},
    {"BY=5;N", {.deliver_by = {ByMode::notify, false, now + 5s}}},
    {"BY=-5;NT", {.deliver_by = {ByMode::notify, true, now - 5s}}},
    {"HOLDFOR=100 BY=60;R MT-PRIORITY=1",
     {.priority = 1, .release = now + 100s, .deliver_by = {ByMode::give_back, false, now + 160s}}},
};

TEST(ServerRequests, are_in_the_envelope_with_their_times) {
    for (const auto& test : request_cases) {
        for (const bool by_bytes : {false, true}) {
            ServerWorld world(options(), own_client());
            ASSERT_EQ(world.now, now);
            const auto sent = send(world, test.parameters, by_bytes);
            EXPECT_EQ(code(sent.mail), "250 2.1.0") << test.parameters;
            EXPECT_EQ(code(sent.end), "250 2.0.0") << test.parameters;
            EXPECT_EQ(sent.requests, test.want) << test.parameters;
        }
    }
}

struct RefusalCase {
    const char* parameters;
    const char* reply;
};

const RefusalCase refusal_cases[] = {
    {"HOLDFOR=86401", "501 5.5.4 mail is held here for at most 86400 seconds\r\n"},
    {"HOLDUNTIL=2026-11-23T04:05:07Z", "501 5.5.4 mail is held here for at most 86400 seconds\r\n"},
    {"HOLDUNTIL=2026-11-22T04:05:06Z",
     "501 5.5.4 that time has passed: it is 2026-11-22T04:05:06.000Z here\r\n"},
    {"HOLDUNTIL=1970-01-01T00:00:00Z",
     "501 5.5.4 that time has passed: it is 2026-11-22T04:05:06.000Z here\r\n"},
    {"BY=59;R", "555 5.5.4 BY with R needs at least 60 seconds here\r\n"},
};

TEST(ServerRequests, beyond_the_limits_are_refused_in_words) {
    for (const auto& test : refusal_cases) {
        for (const bool by_bytes : {false, true}) {
            ServerWorld world(options(), own_client());
            EXPECT_EQ(send(world, test.parameters, by_bytes).mail, test.reply) << test.parameters;
            EXPECT_EQ(code(world.send("RCPT TO:<b@us.example>\r\n")), "503 5.5.1")
                << "there is no transaction";
        }
    }
}

TEST(ServerRequests, to_hold_or_give_back_are_unknown_from_others) {
    for (const auto* parameters : {"HOLDFOR=60", "HOLDUNTIL=2026-11-22T05:00:00Z", "BY=600;R"}) {
        ServerWorld world(options());
        EXPECT_EQ(code(send(world, parameters, false).mail), "555 5.5.4") << parameters;
    }
}

// RFC 6710 section 4.1: the message is taken all the same, and the 250 says so.
TEST(ServerRequests, a_priority_without_the_right_to_it_is_lowered_and_not_refused) {
    for (const bool by_bytes : {false, true}) {
        ServerWorld high(options());
        const auto lowered = send(high, "MT-PRIORITY=9", by_bytes);
        EXPECT_EQ(code(lowered.mail), "250 2.1.0");
        EXPECT_EQ(lowered.end, "250 2.3.6 0 is the new priority, queued as 00001z\r\n");
        EXPECT_EQ(lowered.requests, Requests{});
        ServerWorld low(options());
        const auto kept = send(low, "MT-PRIORITY=-3", by_bytes);
        EXPECT_EQ(kept.end, "250 2.0.0 queued as 00001z\r\n");
        EXPECT_EQ(kept.requests.priority, -3);
    }
}

TEST(ServerRequests, hold_for_one_message_only) {
    ServerWorld world(options(), own_client());
    send(world, "MT-PRIORITY=9 HOLDFOR=60 BY=600;N", false);
    world.send("MAIL FROM:<a@them.example>\r\nRCPT TO:<b@us.example>\r\nDATA\r\n");
    world.send("Subject: y\r\n\r\n.\r\n");
    ASSERT_EQ(world.accepted.size(), 2u);
    EXPECT_EQ(world.accepted[1].envelope.requests, Requests{});
    world.send("MAIL FROM:<a@them.example> MT-PRIORITY=5\r\nRSET\r\n");
    world.send("MAIL FROM:<a@them.example>\r\nRCPT TO:<b@us.example>\r\nBDAT 2 LAST\r\n\r\n");
    ASSERT_EQ(world.accepted.size(), 3u);
    EXPECT_EQ(world.accepted[2].envelope.requests, Requests{});
}

TEST(ServerRequests, a_priority_is_in_the_received_line) {
    ServerWorld world(options(), own_client());
    send(world, "MT-PRIORITY=4", false);
    ASSERT_EQ(world.accepted.size(), 1u);
    EXPECT_TRUE(world.accepted[0].body.contains("for <b@us.example>\r\n\tpriority 4;\r\n"));
    ServerWorld usual(options(), own_client());
    send(usual, "MT-PRIORITY=0", false);
    EXPECT_FALSE(usual.accepted.at(0).body.contains("priority"));
}

}  // namespace
}  // namespace mta::smtp
