// What a host announces in EHLO and does not know, and what a message needs and a host lacks.
#include <algorithm>

#include <gtest/gtest.h>

#include "mta/outbound/destination/host_keywords.h"
#include "mta/outbound/destination/missing_keywords.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::Mail;
using world::Server;
using world::World;

constexpr auto pipelining = SmtpKeyword::pipelining;
using End = HostKeywords::Progress::End;
const auto now = from_unix_ms(1'000'000'000);

std::size_t count(const Server& server, std::string_view command) {
    return static_cast<std::size_t>(std::ranges::count_if(
        server.commands, [&](const std::string& said) { return said.starts_with(command); }));
}

// Of commands that come at the same time it sees the first one only.
void lose_what_is_pipelined(World& world, Server& server, const std::string& end) {
    auto former = std::make_shared<Instant>();
    server.reply = [&world, former, end](const std::string& said) -> std::optional<std::string> {
        const bool is_lost = std::exchange(*former, world.agenda.now()) == world.agenda.now();
        if (said == "CONNECT" || said == "." || !is_lost) return std::nullopt;
        return end;
    };
}

TEST(Keywords, a_host_that_loses_what_is_pipelined_gets_the_message_one_command_at_a_time) {
    for (const std::string end : {"hang", "close"}) {
        World world;
        auto& server = world.serve("them.example");
        lose_what_is_pipelined(world, server, end);
        world.send();
        world.run_for(7min);
        ASSERT_EQ(server.received.size(), 1u) << end;
        EXPECT_EQ(server.connects, 2u);
        // A time-out has held the connection for long enough: the next attempt goes without.
        EXPECT_EQ(world.count<events::Deferred>(), end == "hang" ? 1u : 0u);
        EXPECT_EQ(world.count<events::DestinationDown>(), 0u);
        // It is remembered, and in a while asked again.
        world.send();
        world.run_for(1min);
        EXPECT_EQ(server.received.size(), 2u);
        EXPECT_EQ(server.connects, 3u);
        world.run_for(1h);
        world.send();
        world.run_for(7min);
        EXPECT_EQ(server.received.size(), 3u);
        EXPECT_EQ(server.connects, 5u);
    }
}

// The second try breaks as well, elsewhere or for a time: that says nothing for the keyword.
TEST(Keywords, a_failed_try_without_does_not_make_a_host_trusted_that_loses_what_is_pipelined) {
    for (const auto& [command, answer] :
         std::vector<std::pair<std::string, std::string>>{{"MAIL", "close"},
                                                          {"MAIL", "421 4.3.2 busy"},
                                                          {"RCPT", "421 4.3.2 busy"},
                                                          {"DATA", "close"},
                                                          {".", "close"}}) {
        World world;
        auto& server = world.serve("them.example");
        lose_what_is_pipelined(world, server, "close");
        const auto lose = server.reply;
        bool is_busy = true;
        server.reply = [&](const std::string& said) {
            const auto lost = lose(said);
            if (server.connects == 2 && is_busy && said.starts_with(command))
                return std::optional(answer);
            return lost;
        };
        world.send();
        world.run_for(20s);
        is_busy = false;
        world.run_for(2min);
        EXPECT_EQ(server.received.size(), 1u) << command << ' ' << answer;
        world.send({.to = {"ann@them.example"}});
        world.run_for(1s);
        EXPECT_EQ(server.received.size(), 2u) << command << ' ' << answer;
    }
}

TEST(Keywords, a_mailbox_at_which_the_host_hangs_is_asked_once_an_attempt) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = always("RCPT TO:<ceo", "hang");
    world.send({.to = {"ceo@them.example"}});
    world.run_for(5min + 30s);
    EXPECT_EQ(count(server, "RCPT TO:<ceo"), 1u);
    EXPECT_EQ(world.count<events::Deferred>("ceo@them.example"), 1u);
    world.run_for(1h);
    EXPECT_EQ(world.count<events::Deferred>("ceo@them.example"), count(server, "RCPT TO:<ceo"));
}

TEST(Keywords, a_second_host_that_loses_what_is_pipelined_is_tried_without_in_the_same_attempt) {
    World world;
    auto& busy = world.serve("them.example");
    busy.reply = always("MAIL", "450 4.3.2 not now");
    world.resolver.set_mx("them.example", {"mx.them.example", "mx2.them.example"});
    world.resolver.set_host("mx2.them.example", {"192.0.2.2"});
    auto& second = world.server("192.0.2.2");
    lose_what_is_pipelined(world, second, "close");
    world.send();
    world.run_for(30s);
    EXPECT_EQ(busy.connects, 1u);
    EXPECT_EQ(second.connects, 2u);
    EXPECT_EQ(second.received.size(), 1u);
    EXPECT_EQ(world.count<events::Deferred>(), 0u);
}

TEST(Keywords, a_host_that_hangs_up_at_bdat_gets_the_message_with_data) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions = {"PIPELINING", "CHUNKING"};
    server.reply = always("BDAT", "close");
    world.send();
    world.run_for(2min);
    ASSERT_EQ(server.received.size(), 1u) << "once";
    EXPECT_EQ(count(server, "BDAT"), 1u);
    world.send();
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 2u);
    EXPECT_EQ(count(server, "BDAT"), 1u);
}

TEST(Keywords, a_large_message_at_whose_first_piece_the_host_hangs_up_goes_at_once_with_data) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions = {"PIPELINING", "CHUNKING"};
    server.reply = always("BDAT", "close");
    Mail mail{.is_large = true};
    mail.body = "Subject: large\r\n\r\n" + std::string(600'000, 'x') + "\r\n";
    world.send(mail);
    world.run_for(5s);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_EQ(world.count<events::InDoubt>(), 0u);
}

TEST(Keywords, a_mailbox_at_which_the_host_hangs_up_is_not_charged_to_its_keywords) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = always("RCPT TO:<ceo", "close");
    world.send({.to = {"ceo@them.example"}});
    world.run_for(1s);
    const auto asked = count(server, "RCPT TO:<ceo");
    EXPECT_GE(asked, 2u) << "with PIPELINING and without";
    // Others get it all in one piece again.
    std::vector<Instant> times;
    server.on_command = [&](std::size_t, const std::string& said) {
        if (said.starts_with("RCPT TO:<ann") || said == "DATA") times.push_back(world.agenda.now());
    };
    world.send({.to = {"ann@them.example"}});
    world.run_for(40min);
    ASSERT_EQ(server.received.size(), 1u);
    ASSERT_EQ(times.size(), 2u);
    EXPECT_EQ(times[0], times[1]);
}

TEST(Keywords, a_site_is_used_without_what_the_configuration_says) {
    World world;
    world.settings.sites = {
        {.match = {"them.example"},
         .without = {SmtpKeyword::pipelining, SmtpKeyword::chunking, SmtpKeyword::size}}};
    auto& server = world.serve("them.example");
    server.extensions = {"PIPELINING", "CHUNKING", "SIZE 1"};
    std::vector<Instant> times;
    server.on_command = [&](std::size_t, const std::string& said) {
        if (said.starts_with("MAIL") || said.starts_with("RCPT"))
            times.push_back(world.agenda.now());
    };
    world.send();
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_EQ(count(server, "BDAT"), 0u);
    ASSERT_EQ(times.size(), 2u);
    EXPECT_LT(times[0], times[1]);
}

TEST(HostKeywords, only_the_message_that_brought_the_suspicion_decides) {
    HostKeywords hosts;
    EXPECT_TRUE(hosts.suspect("mx", pipelining, 1, 1, now));
    EXPECT_EQ(hosts.without("mx", now), SmtpKeywords{pipelining});
    EXPECT_TRUE(hosts.without("other", now).is_empty());
    hosts.conclude("mx", {pipelining}, 2, {1, End::lost}, now);
    hosts.conclude("mx", {}, 1, {3, End::answered}, now);
    EXPECT_EQ(hosts.without("mx", now), SmtpKeywords{pipelining});
    EXPECT_TRUE(hosts.without("mx", now + HostKeywords::suspected_for).is_empty());
    hosts.conclude("mx", {pipelining}, 1, {1, End::lost}, now);
    EXPECT_TRUE(hosts.without("mx", now).is_empty());
    EXPECT_FALSE(hosts.suspect("mx", pipelining, 3, 1, now)) << "it is trusted now";
    EXPECT_TRUE(hosts.suspect("mx", pipelining, 3, 1, now + HostKeywords::trusted_for));
}

TEST(HostKeywords, how_far_the_message_comes_without_tells_whether_the_keyword_was_to_blame) {
    enum class Opinion { suspected, trusted, distrusted };
    struct Row {
        SmtpKeyword keyword;
        HostKeywords::Progress progress;
        Opinion want;
    };
    // With the keyword it had two answers.
    for (const auto& row : {Row{pipelining, {1, End::lost}, Opinion::suspected},
                            Row{pipelining, {2, End::lost}, Opinion::trusted},
                            Row{pipelining, {3, End::lost}, Opinion::distrusted},
                            Row{pipelining, {2, End::other}, Opinion::suspected},
                            Row{pipelining, {3, End::other}, Opinion::distrusted},
                            Row{pipelining, {0, End::other}, Opinion::suspected},
                            Row{pipelining, {1, End::answered}, Opinion::distrusted},
                            Row{SmtpKeyword::chunking, {1, End::lost}, Opinion::suspected},
                            Row{SmtpKeyword::chunking, {3, End::lost}, Opinion::trusted},
                            Row{SmtpKeyword::chunking, {3, End::other}, Opinion::suspected},
                            Row{SmtpKeyword::chunking, {4, End::answered}, Opinion::distrusted}}) {
        HostKeywords hosts;
        EXPECT_TRUE(hosts.suspect("mx", row.keyword, 1, 2, now));
        hosts.conclude("mx", {row.keyword}, 1, row.progress, now);
        EXPECT_EQ(hosts.without("mx", now).is_empty(), row.want == Opinion::trusted);
        // What is distrusted is so twice as long when that comes again.
        hosts.distrust("mx", row.keyword, now + HostKeywords::suspected_for);
        const auto later = now + HostKeywords::suspected_for + HostKeywords::distrusted_for_min;
        EXPECT_EQ(hosts.without("mx", later).is_empty(), row.want != Opinion::distrusted)
            << row.progress.answers;
    }
}

TEST(HostKeywords, distrust_lasts_longer_each_time_it_comes_again) {
    HostKeywords hosts;
    auto at = now;
    for (const auto want : {1h, 2h, 4h, 8h, 16h, 24h, 24h}) {
        EXPECT_TRUE(hosts.suspect("mx", pipelining, 1, 1, at));
        hosts.conclude("mx", {pipelining}, 1, {4, End::answered}, at);
        EXPECT_FALSE(hosts.without("mx", at + want - 1ms).is_empty());
        EXPECT_TRUE(hosts.without("mx", at + want).is_empty());
        at += want;
    }
    at += 48h;
    hosts.distrust("mx", pipelining, at);
    EXPECT_TRUE(hosts.without("mx", at + 1h).is_empty()) << "that was long ago";
}

// ---- What a host lacks ----

queue::MessageId send_8bit(World& world) {
    auto message = std::make_shared<queue::Message>(*world.message());
    message->facts.has_8bit = true;
    world.store.enqueue(message, [](auto) {});
    world.manager().accept(message);
    return message->id;
}

TEST(Keywords, another_host_is_asked_before_a_message_waits_for_8bitmime) {
    World world;
    auto& old = world.serve("them.example");
    old.extensions = {"PIPELINING"};
    world.resolver.set_mx("them.example", {"mx.them.example", "old2.them.example",
                                           "old3.them.example", "new.them.example"});
    const auto addresses = {"192.0.2.2", "192.0.2.3", "192.0.2.4"};
    const auto hosts = {"old2.them.example", "old3.them.example", "new.them.example"};
    for (std::size_t i = 0; i < 3; ++i) {
        world.resolver.set_host(hosts.begin()[i], {addresses.begin()[i]});
        if (i < 2) world.server(addresses.begin()[i]).extensions = {"PIPELINING"};
    }
    world.server("192.0.2.4");
    send_8bit(world);
    world.run_for(1s);
    EXPECT_EQ(world.server("192.0.2.4").received.size(), 1u);
    EXPECT_EQ(world.count<events::Deferred>(), 0u);
}

TEST(Keywords, a_greylisting_front_end_that_knows_no_keyword_only_defers) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions.clear();
    send_8bit(world);
    world.run_for(25min);
    EXPECT_TRUE(server.received.empty());
    EXPECT_TRUE(world.reports.empty());
    EXPECT_EQ(world.count<events::DestinationDown>(), 0u);
    server.extensions = {"8BITMIME"};
    world.run_for(1h);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(Keywords, a_destination_that_lacks_8bitmime_for_an_hour_gets_the_message_returned) {
    World world;
    world.serve("them.example").extensions.clear();
    world.serve("office.example", "192.0.2.9");
    send_8bit(world);
    world.run_for(59min);
    EXPECT_TRUE(world.reports.empty());
    world.run_for(2h);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(to_string(world.reports[0].outcomes[0].error.status), "5.6.3");
    // Others do not wait for so long: but once each of them waits.
    world.reports.clear();
    send_8bit(world);
    world.run_for(30s);
    EXPECT_TRUE(world.reports.empty());
}

TEST(Keywords, a_recipient_that_alone_needs_smtputf8_waits_alone) {
    World world;
    auto& server = world.serve("them.example");
    world.send({.to = {"bob@them.example", "j\u00fcrgen@them.example"}});
    world.run_for(1s);
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_EQ(server.received[0].recipients, std::vector<std::string>{"bob@them.example"});
    EXPECT_EQ(world.count<events::Deferred>("j\u00fcrgen@them.example"), 1u);
    server.extensions.emplace_back("SMTPUTF8");
    world.run_for(2min);
    EXPECT_EQ(server.received.size(), 2u);
}

TEST(MissingKeywords, are_believed_after_an_hour_in_which_no_host_offered_them) {
    const DeliveryError no_8bitmime{.status = {4, 6, 3}};
    const DeliveryError no_smtputf8{.status = {4, 6, 7}};
    MissingKeywords missing;
    EXPECT_FALSE(missing.add(no_8bitmime, now));
    EXPECT_FALSE(missing.add(no_8bitmime, now + 59min));
    EXPECT_TRUE(missing.add(no_8bitmime, now + 60min));
    EXPECT_FALSE(missing.add(no_smtputf8, now + 60min));
    missing.clear({.smtputf8 = true});
    EXPECT_TRUE(missing.add(no_8bitmime, now + 61min));
    missing.clear({.eight_bit_mime = true});
    EXPECT_FALSE(missing.add(no_8bitmime, now + 62min));
}

}  // namespace
}  // namespace mta::outbound
