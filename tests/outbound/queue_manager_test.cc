// Delivery: routes, hosts, connections, concurrency.
#include "mta/outbound/queue_manager.h"

#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::Mail;
using world::World;

std::optional<std::string> none() { return std::nullopt; }

TEST(QueueManager, delivers_by_mx_and_finishes_the_message_in_the_store) {
    World world;
    auto& server = world.serve("them.example");
    const auto id = world.send();
    world.run_for(1s);
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_EQ(server.received[0].sender, "MAIL FROM:<ann@office.example>");
    EXPECT_EQ(server.received[0].recipients, std::vector<std::string>{"bob@them.example"});
    EXPECT_EQ(server.received[0].body, "Subject: hello\r\n\r\nhello\r\n");
    EXPECT_EQ(world.store.calls, std::vector<std::string>{"finish " + std::to_string(id)});
    EXPECT_EQ(world.count<events::Delivered>("bob@them.example"), 1u);
    EXPECT_EQ(world.desk().counters().messages, 0u);
    EXPECT_EQ(world.desk().counters().body_bytes_in_memory, 0u);
    EXPECT_EQ(world.store.reads, 0) << "it was in RAM";
}

TEST(QueueManager, takes_the_static_route_before_mx) {
    World world;
    world.serve("them.example");
    world.settings.routes = {{.domain = "*", .hosts = {{"10.0.0.1", 2525}}}};
    auto& relay = world.server("10.0.0.1", 2525);
    world.send();
    world.run_for(1s);
    EXPECT_EQ(relay.received.size(), 1u);
    EXPECT_TRUE(world.resolver.asked.empty());
}

TEST(QueueManager, only_a_static_route_leads_to_this_machine) {
    World world;
    world.settings.routes = {{.domain = "content.example", .hosts = {{"192.0.2.1", 25}}}};
    auto& server = world.serve("them.example");
    world.manager().set_own_addresses({*IpAddress::parse("192.0.2.1")});
    world.send();
    world.run_for(1s);
    EXPECT_EQ(server.connects, 0u) << "that would be a loop";
    world.send({.to = {"bob@content.example"}});
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

// Mail whose outcome could not be kept would be delivered again after a restart.
TEST(QueueManager, begins_nothing_while_the_store_cannot_write) {
    World world;
    world.settings.routes = {{.domain = "late.example", .hosts = {{"10.0.0.1", 25}}}};
    auto& server = world.serve("them.example");
    auto& late = world.server("10.0.0.1");
    late.reply = [](const std::string& command) {
        return command.starts_with("RCPT") ? std::optional<std::string>("450 4.2.0 later") : none();
    };
    world.send({.to = {"bob@late.example"}});
    world.run_for(1s);
    const auto calls = world.store.calls.size();
    const auto attempts = late.connects;
    world.store.stalled = true;
    world.send();
    world.run_for(240h);
    EXPECT_EQ(server.connects, 0u);
    EXPECT_EQ(late.connects, attempts);
    EXPECT_EQ(world.store.calls.size(), calls) << "nor is anything given up";
    world.store.stalled = false;
    world.run_for(2s);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_EQ(late.connects, attempts + 1) << "it is tried before it is given up";
}

TEST(QueueManager, a_new_route_counts_for_mail_that_waits_already) {
    World world;
    world.settings.routes = {{.domain = "them.example", .hosts = {{"10.0.0.1", 25}}}};
    world.server("10.0.0.1").is_refusing = true;
    world.send();
    world.run_for(1min);
    auto settings = world.settings;
    settings.routes[0].hosts = {{"10.0.0.2", 25}};
    auto& other = world.server("10.0.0.2");
    world.manager().reload(std::make_shared<const conf::Settings>(settings));
    world.run_for(1s);
    EXPECT_EQ(other.received.size(), 1u);
}

TEST(QueueManager, recipients_for_one_destination_share_a_transaction) {
    World world;
    world.settings.routes = {{.domain = "*", .hosts = {{"10.0.0.1", 25}}}};
    auto& server = world.server("10.0.0.1");
    world.send({.to = {"a@one.example", "b@two.example", "c@one.example"}});
    world.run_for(1s);
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_EQ(server.received[0].recipients.size(), 3u);
}

TEST(QueueManager, domains_with_the_same_mx_hosts_are_one_destination) {
    World world;
    auto& server = world.serve("one.example");
    world.resolver.set_mx("two.example", {"mx.one.example"});
    world.send({.to = {"a@one.example"}});
    world.send({.to = {"b@two.example"}});
    world.run_for(1s);
    EXPECT_EQ(world.destinations("mx.one.example").size(), 1u);
    world.send({.to = {"a@one.example", "b@two.example"}});
    world.run_for(1s);
    ASSERT_EQ(server.received.size(), 3u);
    EXPECT_EQ(server.received[2].recipients.size(), 2u);
}

// The order in which hosts are asked is the domain's own.
TEST(QueueManager, domains_with_the_same_mx_hosts_in_another_order_are_not_one_destination) {
    World world;
    auto& first = world.server("192.0.2.1");
    auto& second = world.server("192.0.2.2");
    world.resolver.set_host("mx1.one.example", {"192.0.2.1"});
    world.resolver.set_host("mx2.one.example", {"192.0.2.2"});
    world.resolver.set_mx("one.example", {"mx1.one.example", "mx2.one.example"});
    world.resolver.set_mx("two.example", {"mx2.one.example", "mx1.one.example"});
    for (int i = 0; i < 3; ++i) {
        world.send({.to = {"a@one.example"}});
        world.send({.to = {"b@two.example"}});
        world.send({.to = {"b@two.example"}});
        world.run_for(1s);
    }
    EXPECT_EQ(first.received.size(), 3u);
    EXPECT_EQ(second.received.size(), 6u);
    EXPECT_EQ(world.destinations("mx1.one.example,mx2.one.example").size(), 1u);
    EXPECT_EQ(world.destinations("mx2.one.example,mx1.one.example").size(), 1u);
}

TEST(QueueManager, equal_mx_hosts_are_one_destination_whatever_their_numbers) {
    World world;
    auto& server = world.server("192.0.2.1");
    for (const auto* host : {"mx1.one.example", "mx2.one.example", "mx3.one.example"})
        world.resolver.set_host(host, {"192.0.2.1"});
    const auto set = [&](const std::string& domain, std::vector<dns::MxRecord> records) {
        world.resolver.mx[domain] = dns::MxAnswer{std::move(records), 1h};
    };
    set("one.example", {{10, "mx2.one.example"}, {10, "mx1.one.example"}, {20, "mx3.one.example"}});
    set("two.example", {{5, "mx1.one.example"},
                        {7, "mx3.one.example"},
                        {5, "mx2.one.example"},
                        {9, "mx1.one.example"}});
    world.send({.to = {"a@one.example"}});
    world.send({.to = {"b@two.example"}});
    world.run_for(1s);
    world.send({.to = {"a@one.example", "b@two.example"}});
    world.run_for(1s);
    ASSERT_EQ(server.received.size(), 3u);
    EXPECT_EQ(server.received[2].recipients.size(), 2u);
    EXPECT_EQ(world.destinations("mx1.one.example/mx2.one.example,mx3.one.example").size(), 1u);
}

// RFC 5321 section 5.1: neither it nor those behind it, by whatever name the DNS calls it.
TEST(QueueManager, hosts_behind_this_machine_in_preference_are_not_asked) {
    for (const bool is_known_by_name : {false, true}) {
        World world;
        world.settings.sources = {
            {.name = "one",
             .pool = "one",
             .v4 = IpAddress::parse("192.0.2.99"),
             .ehlo = is_known_by_name ? "mx2.them.example" : "out.us.example"}};
        world.resolver.set_mx("them.example",
                              {"mx1.them.example", "mx2.them.example", "mx3.them.example"});
        world.resolver.set_host("mx1.them.example", {"192.0.2.1"});
        world.resolver.set_host("mx2.them.example", {"192.0.2.2"});
        world.resolver.set_host("mx3.them.example", {"192.0.2.3"});
        auto& best = world.server("192.0.2.1");
        auto& behind = world.server("192.0.2.3");
        world.server("192.0.2.2");
        if (!is_known_by_name) world.manager().set_own_addresses({*IpAddress::parse("192.0.2.2")});
        best.is_refusing = true;
        world.send();
        world.run_for(10min);
        EXPECT_EQ(behind.connects, 0u) << is_known_by_name;
        EXPECT_EQ(world.store.kept.size(), 1u) << "the best one may come back";
        best.is_refusing = false;
        world.run_for(1h);
        EXPECT_EQ(best.received.size(), 1u) << is_known_by_name;
        EXPECT_EQ(world.server("192.0.2.2").connects, 0u) << is_known_by_name;
    }
}

TEST(QueueManager, splits_at_the_limit_of_recipients_in_a_transaction) {
    World world;
    auto& server = world.serve("them.example");
    world.settings.delivery.recipients_per_transaction_max = 2;
    Mail mail;
    mail.to.clear();
    for (char name = 'a'; name < 'f'; ++name)
        mail.to.push_back(std::string(1, name) + "@them.example");
    world.send(mail);
    world.run_for(1s);
    std::size_t recipients = 0;
    for (const auto& received : server.received) {
        EXPECT_LE(received.recipients.size(), 2u);
        recipients += received.recipients.size();
    }
    EXPECT_EQ(server.received.size(), 3u);
    EXPECT_EQ(recipients, 5u);
    EXPECT_EQ(world.desk().counters().messages, 0u);
}

TEST(QueueManager, obeys_the_limit_of_recipients_that_a_server_names) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions.push_back("LIMITS RCPTMAX=2");
    world.send({.to = {"a@them.example", "b@them.example", "c@them.example"}});
    world.run_for(1s);
    ASSERT_EQ(server.received.size(), 2u);
    EXPECT_EQ(server.received[0].recipients.size(), 2u);
    EXPECT_EQ(server.received[1].recipients.size(), 1u);
}

TEST(QueueManager, recipients_that_were_too_many_go_in_the_next_transaction_at_once) {
    for (const std::string reply :
         {"452 4.5.3 enough", "552 5.5.3 enough", "452 Too many recipients", "450 4.5.3 enough"}) {
        World world;
        auto& server = world.serve("them.example");
        int recipients = 0;
        server.reply = [&](const std::string& command) -> std::optional<std::string> {
            if (command.starts_with("MAIL")) recipients = 0;
            if (!command.starts_with("RCPT") || ++recipients <= 2) return std::nullopt;
            return reply;
        };
        Mail mail;
        mail.to.clear();
        for (char name = 'a'; name < 'f'; ++name)
            mail.to.push_back(std::string(1, name) + "@them.example");
        world.send(mail);
        world.run_for(2s);
        if (reply.starts_with("450")) {
            EXPECT_EQ(world.count<events::Deferred>(), 3u);
            continue;
        }
        EXPECT_EQ(world.count<events::Delivered>(), 5u) << reply;
        EXPECT_FALSE(world.has<events::Deferred>()) << reply;
        EXPECT_EQ(server.received.size(), 3u) << reply;
    }
}

TEST(QueueManager, a_first_recipient_that_is_too_many_waits) {
    World world;
    world.serve("them.example").reply = [](const std::string& command) {
        return command.starts_with("RCPT") ? std::optional<std::string>("452 4.5.3 enough")
                                           : std::nullopt;
    };
    world.send();
    world.run_for(2s);
    EXPECT_EQ(world.count<events::Deferred>(), 1u);
}

TEST(QueueManager, tries_address_by_address_and_host_by_host) {
    World world;
    world.resolver.set_mx("them.example", {"mx1.them.example", "mx2.them.example"});
    world.resolver.set_host("mx1.them.example", {"192.0.2.1", "192.0.2.2"});
    world.resolver.set_host("mx2.them.example", {"192.0.2.3"});
    world.server("192.0.2.1").is_refusing = true;
    world.server("192.0.2.2").is_hanging = true;
    auto& last = world.server("192.0.2.3");
    world.send();
    world.run_for(31s);
    EXPECT_EQ(last.received.size(), 1u);
    EXPECT_EQ(world.connector.tried.size(), 3u);
    EXPECT_EQ(world.connector.tried.back(), "192.0.2.3:25");
    EXPECT_EQ(world.count<events::Postponed>(), 0u);
}

TEST(QueueManager, tries_only_so_many_addresses_in_an_attempt) {
    World world;
    world.settings.delivery.addresses_per_attempt_max = 3;
    world.resolver.set_mx("them.example", {"mx1.them.example", "mx2.them.example"});
    world.resolver.set_host("mx1.them.example", {"192.0.2.1", "192.0.2.2"});
    world.resolver.set_host("mx2.them.example", {"192.0.2.3", "192.0.2.4"});
    world.send();
    world.run_for(1s);
    EXPECT_EQ(world.connector.tried.size(), 3u);
}

TEST(QueueManager, a_host_that_turns_us_away_sends_us_to_the_next_one) {
    for (const std::string stage : {"CONNECT", "EHLO", "MAIL"}) {
        World world;
        world.resolver.set_mx("them.example", {"mx1.them.example", "mx2.them.example"});
        world.resolver.set_host("mx1.them.example", {"192.0.2.1"});
        world.resolver.set_host("mx2.them.example", {"192.0.2.2"});
        world.server("192.0.2.2");
        world.server("192.0.2.1").reply = [stage](const std::string& command) {
            return command.starts_with(stage) ? std::optional<std::string>("421 4.3.2 not now")
                                              : none();
        };
        world.send();
        world.run_for(1s);
        EXPECT_EQ(world.server("192.0.2.2").received.size(), 1u) << stage;
        EXPECT_EQ(world.count<events::Deferred>(), 0u) << stage;
    }
}

TEST(QueueManager, a_message_refused_for_now_is_offered_to_the_next_host_but_a_recipient_is_not) {
    struct Row {
        std::string command;
        std::string reply;
        std::size_t at_second;
    };
    for (const auto& row : std::vector<Row>{{"MAIL", "452 4.3.1 disk full", 1},
                                            {".", "451 4.3.0 try another", 1},
                                            {"RCPT", "450 4.2.1 greylisted", 0},
                                            {"MAIL", "550 5.7.1 no", 0}}) {
        World world;
        world.resolver.set_mx("them.example", {"mx1.them.example", "mx2.them.example"});
        world.resolver.set_host("mx1.them.example", {"192.0.2.1"});
        world.resolver.set_host("mx2.them.example", {"192.0.2.2"});
        world.server("192.0.2.2");
        world.server("192.0.2.1").reply = [row](const std::string& command) {
            return command.starts_with(row.command) ? std::optional(row.reply) : none();
        };
        world.send();
        world.run_for(1s);
        EXPECT_EQ(world.server("192.0.2.2").received.size(), row.at_second)
            << row.command << ' ' << row.reply;
    }
}

TEST(QueueManager, a_recipient_served_at_one_host_is_not_offered_to_the_next) {
    World world;
    world.resolver.set_mx("them.example", {"mx1.them.example", "mx2.them.example"});
    world.resolver.set_host("mx1.them.example", {"192.0.2.1"});
    world.resolver.set_host("mx2.them.example", {"192.0.2.2"});
    world.server("192.0.2.2");
    world.server("192.0.2.1").reply = [](const std::string& command) {
        if (command.starts_with("RCPT TO:<gone@"))
            return std::optional<std::string>("550 5.1.1 no");
        return command == "." ? std::optional<std::string>("451 4.3.0 later") : none();
    };
    world.send({.to = {"gone@them.example", "bob@them.example"}});
    world.run_for(1s);
    ASSERT_EQ(world.server("192.0.2.2").received.size(), 1u);
    EXPECT_EQ(world.server("192.0.2.2").received[0].recipients,
              std::vector<std::string>{"bob@them.example"});
    EXPECT_EQ(world.count<events::Failed>("gone@them.example 5.1.1"), 1u);
}

TEST(QueueManager, a_domain_that_does_not_exist_fails_at_once) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.send({.to = {"bob@nowhere.example"}});
    world.run_for(1s);
    EXPECT_EQ(world.count<events::Failed>("bob@nowhere.example 5.1.2"), 1u);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.server("192.0.2.9").received.size(), 1u) << "the report";
}

TEST(QueueManager, hosts_that_all_do_not_exist_fail_the_message_by_mx_but_wait_by_route) {
    World world;
    world.resolver.set_mx("them.example", {"gone.them.example"});
    world.settings.routes = {{.domain = "office.example", .hosts = {{"mistyped.lan", 25}}}};
    world.send();
    world.send({.from = "x@other.example", .to = {"ann@office.example"}});
    world.run_for(1s);
    EXPECT_EQ(world.count<events::Failed>("bob@them.example 5.4.4"), 1u);
    EXPECT_EQ(world.count<events::Failed>("ann@office.example"), 0u);
    EXPECT_TRUE(world.has<events::DestinationDown>("mistyped.lan:25"));
}

TEST(QueueManager, reuses_a_connection_up_to_its_limit_and_closes_it_when_idle) {
    World world;
    auto& server = world.serve("them.example");
    world.settings.delivery.messages_per_connection_max = 3;
    for (int i = 0; i < 4; ++i) {
        world.send();
        world.run_for(1s);
    }
    ASSERT_EQ(server.received.size(), 4u);
    EXPECT_EQ(server.received[2].connection, 1u);
    EXPECT_EQ(server.received[3].connection, 2u) << "three messages a connection";
    EXPECT_EQ(server.open, 1u);
    world.run_for(world.settings.delivery.idle_timeout);
    EXPECT_EQ(server.open, 0u);
    EXPECT_EQ(server.commands.back(), "QUIT");
}

TEST(QueueManager, a_kept_connection_that_was_gone_costs_nothing) {
    World world;
    auto& server = world.serve("them.example");
    int mails = 0;
    server.reply = [&mails](const std::string& command) {
        // The second message on the first connection finds it gone.
        return command.starts_with("MAIL") && ++mails == 2 ? std::optional<std::string>("close")
                                                           : none();
    };
    world.send();
    world.run_for(1s);
    world.send();
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 2u);
    EXPECT_EQ(server.connects, 2u);
    EXPECT_EQ(world.count<events::Postponed>(), 0u);
    EXPECT_EQ(world.count<events::DestinationDown>(), 0u);
}

TEST(QueueManager, a_host_that_defers_on_a_kept_connection_sends_us_to_the_next_one) {
    World world;
    world.resolver.set_mx("them.example", {"mx1.them.example", "mx2.them.example"});
    world.resolver.set_host("mx1.them.example", {"192.0.2.1"});
    world.resolver.set_host("mx2.them.example", {"192.0.2.2"});
    auto& first = world.server("192.0.2.1");
    auto& second = world.server("192.0.2.2");
    world.send();
    world.run_for(1s);
    ASSERT_EQ(first.received.size(), 1u);
    first.reply = [](const std::string& command) {
        return command.starts_with("MAIL") ? std::optional<std::string>("451 4.3.0 later")
                                           : std::nullopt;
    };
    world.send();
    world.run_for(1s);
    EXPECT_EQ(second.received.size(), 1u);
    EXPECT_EQ(first.connects, 1u) << "it has had its say";
}

TEST(QueueManager, never_has_more_connections_to_a_destination_than_allowed) {
    World world;
    world.settings.delivery.connections_per_destination_max = 3;
    world.settings.delivery.messages_per_connection_max = 4;
    auto& server = world.serve("them.example");
    server.latency = 50ms;
    for (int i = 0; i < 60; ++i) world.send();
    world.run_for(1min);
    EXPECT_EQ(server.received.size(), 60u);
    EXPECT_EQ(server.open_most, 3u);
}

TEST(QueueManager, grows_its_connections_with_success) {
    World world;
    auto& server = world.serve("them.example");
    server.latency = 50ms;
    for (int i = 0; i < 100; ++i) world.send();
    world.run_for(120ms);
    EXPECT_EQ(server.open, 2u) << "the start by MX";
    world.run_for(10s);
    EXPECT_GT(server.open_most, 5u);
}

TEST(QueueManager, destinations_take_turns_at_the_connections_that_there_are) {
    World world;
    world.settings.delivery.connections_max = 4;
    auto& busy = world.serve("busy.example", "192.0.2.1");
    auto& other = world.serve("other.example", "192.0.2.2");
    busy.latency = other.latency = 20ms;
    for (int i = 0; i < 200; ++i) world.send({.to = {"a@busy.example"}});
    world.run_for(500ms);
    world.send({.to = {"b@other.example"}});
    world.run_for(500ms);
    EXPECT_EQ(other.received.size(), 1u) << "it does not wait for the 200";
    EXPECT_LT(busy.received.size(), 200u);
    world.run_for(1min);
    EXPECT_EQ(busy.received.size(), 200u);
    EXPECT_LE(busy.open_most + other.open_most, 5u);
}

TEST(QueueManager, a_sender_with_many_queued_messages_does_not_delay_anothers) {
    World world;
    world.settings.delivery.connections_max = 1;
    auto& server = world.serve("them.example");
    server.latency = 20ms;
    for (int i = 0; i < 2000; ++i)
        world.send({.from = "news+" + std::to_string(i) + "@list.example"});
    world.run_for(1s);
    const auto before = server.received.size();
    ASSERT_LT(before, 100u);
    world.send({.from = "ann@office.example"});
    world.run_for(1s);
    const auto anns = std::ranges::find_if(server.received, [](const auto& received) {
        return received.sender.contains("ann@office.example");
    });
    ASSERT_NE(anns, server.received.end());
    EXPECT_LE(anns - server.received.begin(), static_cast<std::ptrdiff_t>(before) + 3);
}

TEST(QueueManager, a_hung_destination_delays_no_other) {
    World world;
    world.resolver.set_mx("hung.example", {"mx.hung.example"});
    world.resolver.set_host("mx.hung.example", {"192.0.2.66"});
    world.server("192.0.2.66").is_hanging = true;
    auto& good = world.serve("good.example");
    for (int i = 0; i < 200; ++i) {
        world.send({.to = {"a@hung.example"}});
        world.send({.to = {"b@good.example"}});
    }
    world.run_for(10s);
    EXPECT_EQ(good.received.size(), 200u);
}

TEST(QueueManager, pulls_a_large_body_from_the_store) {
    World world;
    auto& server = world.serve("them.example");
    Mail mail{.is_large = true};
    for (int line = 0; line < 40'000; ++line) mail.body += ".line " + std::to_string(line) + "\r\n";
    world.send(mail);
    world.run_for(5s);
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_EQ(server.received[0].body, mail.body);
    EXPECT_GE(world.store.body_reads, 2);
}

TEST(QueueManager, a_body_that_cannot_be_read_is_tried_again_later_and_never_sent_in_part) {
    World world;
    auto& server = world.serve("them.example");
    world.store.body_read_error = true;
    world.send({.body = std::string(300'000, 'x') + "\r\n", .is_large = true});
    world.run_for(5s);
    EXPECT_TRUE(server.received.empty());
    EXPECT_EQ(world.count<events::Unreadable>(), 1u);
    EXPECT_EQ(world.count<events::Postponed>(), 1u);
    EXPECT_EQ(world.count<events::Deferred>(), 0u) << "nobody has answered";
    world.store.body_read_error = false;
    world.run_for(2min);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(QueueManager, beyond_its_memory_messages_are_read_back) {
    World world;
    world.settings.delivery.memory_bytes_max = 20'000;
    world.settings.delivery.connections_per_destination_max = 1;
    auto& server = world.serve("them.example");
    for (int i = 0; i < 20; ++i) world.send({.body = std::string(4000, 'x') + "\r\n"});
    EXPECT_LE(world.desk().counters().body_bytes_in_memory, 20'000u);
    world.run_for(10s);
    EXPECT_EQ(server.received.size(), 20u);
    EXPECT_GT(world.store.reads, 10);
    EXPECT_EQ(server.received[3].body, std::string(4000, 'x') + "\r\n");
}

// Nobody will ever get it: the sender hears of it, of all his recipients at once.
TEST(QueueManager, a_message_whose_body_is_damaged_fails_for_all_with_one_report) {
    for (const std::uint64_t damaged_at : {0u, 290'000u}) {
        SCOPED_TRACE(damaged_at);
        World world;
        world.settings.retry.delay_notices.clear();
        auto& server = world.serve("them.example");
        world.serve("far.example", "192.0.2.8").is_refusing = true;
        world.serve("office.example", "192.0.2.9");
        const auto id =
            world.send({.to = {"a@far.example", "b@them.example", "c@them.example"},
                        .body = "Subject: hello\r\n\r\n" + std::string(300'000, 'x') + "\r\n",
                        .is_large = true});
        EXPECT_EQ(world.desk().hold(id, std::vector<std::uint32_t>{2}), 1u);
        world.store.body_damage = damaged_at;
        world.run_for(10s);
        EXPECT_TRUE(server.received.empty());
        EXPECT_EQ(world.count<events::Unreadable>(std::to_string(id)), 1u);
        EXPECT_EQ(world.count<events::Postponed>("b@them"), 0u);
        ASSERT_EQ(world.reports.size(), 1u);
        const auto& report = world.reports[0];
        EXPECT_EQ(report.kind, ReportKind::failure);
        EXPECT_EQ(report.head.starts_with("Subject: hello"), damaged_at > 0);
        ASSERT_EQ(report.outcomes.size(), 3u);
        for (const auto& outcome : report.outcomes) {
            EXPECT_EQ(outcome.error.status, (EnhancedStatus{5, 3, 0}));
            EXPECT_EQ(outcome.error.text, "the message was damaged on our disk");
        }
        const auto& calls = world.store.calls;
        EXPECT_EQ(std::ranges::count(calls, "finish 1 +2"), 1) << "the report in the same step";
        EXPECT_FALSE(world.store.kept.contains(id));
        EXPECT_EQ(world.server("192.0.2.9").received.size(), 1u);
        EXPECT_EQ(world.desk().counters().messages, 0u);
        EXPECT_EQ(world.manager().check(), "");
    }
}

TEST(QueueManager, a_damaged_message_of_the_null_sender_is_done_without_a_report) {
    World world;
    world.serve("them.example");
    const auto id =
        world.send({.from = "", .body = std::string(300'000, 'x') + "\r\n", .is_large = true});
    world.store.body_damage = 290'000;
    world.run_for(10s);
    EXPECT_TRUE(world.reports.empty());
    EXPECT_EQ(world.count<events::ReportDropped>(), 1u);
    EXPECT_FALSE(world.store.kept.contains(id));
    EXPECT_EQ(world.desk().counters().messages, 0u);
}

// The queue remembers the sender and the recipients' domains.
TEST(QueueManager, the_sender_of_a_message_whose_envelope_is_damaged_is_told) {
    World world;
    world.settings.delivery.memory_bytes_max = 0;
    auto& server = world.serve("them.example");
    const auto id = world.send();
    world.store.read_error = {queue::StoreError::Kind::corrupt, "checksum"};
    world.run_for(1s);
    EXPECT_TRUE(world.has<events::Unreadable>(std::to_string(id)));
    ASSERT_EQ(world.reports.size(), 1u);
    ASSERT_EQ(world.reports[0].outcomes.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes[0].error.status, (EnhancedStatus{5, 3, 0}));
    EXPECT_EQ(world.reports[0].outcomes[0].error.text,
              "the message was damaged on our disk, and the recipient's address with it: only the "
              "domain is known");
    EXPECT_FALSE(world.store.kept.contains(id)) << "finished together with its report";
    world.store.read_error.reset();
    world.send();
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u) << "the others go on";
}

TEST(QueueManager, a_message_that_the_store_does_not_find_is_told_of_and_tried_again) {
    World world;
    world.settings.delivery.memory_bytes_max = 0;
    auto& server = world.serve("them.example");
    const auto id = world.send();
    world.store.read_error = {queue::StoreError::Kind::not_found, "no such message"};
    world.run_for(1h);
    EXPECT_GE(world.count<events::Unreadable>(std::to_string(id)), 2u);
    EXPECT_LE(world.count<events::Unreadable>(std::to_string(id)), 20u) << "with growing pauses";
    EXPECT_EQ(world.desk().counters().messages, 1u);
    EXPECT_TRUE(world.store.kept.contains(id));
    world.store.read_error.reset();
    world.run_for(3h);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_EQ(world.desk().counters().messages, 0u);
}

queue::QueuedMessage queued_again(World& world, queue::MessageId id) {
    const auto& kept = world.store.kept.at(id);
    return queue::to_queued({kept.message, kept.states});
}

std::shared_ptr<queue::Message> stored_message(queue::MessageId id, std::size_t recipients) {
    auto message = std::make_shared<queue::Message>();
    message->id = id;
    message->envelope.reverse_path = "ann@office.example";
    for (std::size_t i = 0; i < recipients; ++i)
        message->envelope.recipients.push_back({"a" + std::to_string(i) + "@them.example",
                                                "them.example", queue::notify_unspecified, ""});
    message->body = "Subject: hello\r\n\r\nhello\r\n";
    message->facts.size = message->body.size();
    return message;
}

TEST(QueueManager, the_sender_of_a_message_that_was_found_damaged_at_the_start_is_told) {
    World world;
    auto& server = world.serve("them.example");
    world.store.add(stored_message(100, 2));
    auto queued = queued_again(world, 100);
    queued.damage = "parts of its body are lost";
    world.manager().load(queued);
    world.run_for(1min);
    EXPECT_TRUE(server.received.empty());
    ASSERT_EQ(world.reports.size(), 1u);
    ASSERT_EQ(world.reports[0].outcomes.size(), 2u);
    EXPECT_EQ(world.reports[0].outcomes[0].error.status, (EnhancedStatus{5, 3, 0}));
    EXPECT_FALSE(world.store.kept.contains(100));
    EXPECT_EQ(world.manager().check(), "");
}

TEST(QueueManager, a_stored_message_with_more_recipients_than_it_can_have_is_returned) {
    World world;
    world.store.add(stored_message(100, 70'000));
    world.manager().load(queued_again(world, 100));
    world.run_for(1s);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes.size(), 70'000u);
    EXPECT_FALSE(world.store.kept.contains(100));
    EXPECT_EQ(world.manager().check(), "");
}

TEST(QueueManager, a_stored_message_without_recipients_is_finished) {
    World world;
    world.store.add(stored_message(100, 0));
    world.manager().load(queued_again(world, 100));
    world.run_for(1s);
    EXPECT_FALSE(world.store.kept.contains(100));
    EXPECT_EQ(world.desk().counters().messages, 0u);
}

TEST(QueueManager, forgets_a_message_whose_commit_failed) {
    World world;
    auto& server = world.serve("them.example");
    server.latency = 20ms;
    const auto id = world.send();
    world.run_for(60ms);  // connecting
    world.manager().forget(id);
    EXPECT_EQ(world.desk().counters().messages, 0u);
    world.run_for(1min);
    EXPECT_TRUE(server.received.empty());
    EXPECT_TRUE(world.store.calls.empty());
    EXPECT_EQ(world.desk().counters().connections, 0u);
}

TEST(QueueManager, drains_what_is_past_its_final_dot_and_nothing_else) {
    World world;
    auto& slow = world.serve("slow.example", "192.0.2.1");
    slow.latency = 500ms;
    slow.extensions.clear();  // without PIPELINING: a step takes a second
    auto& quick = world.serve("quick.example", "192.0.2.2");
    quick.reply = [](const std::string& command) {
        return command == "." ? std::optional<std::string>("hang") : none();
    };
    const auto early = world.send({.to = {"a@slow.example"}});
    world.send({.to = {"b@quick.example"}});
    world.run_for(2s);
    ASSERT_EQ(quick.commands.back(), "DATA");
    world.manager().drain();
    world.send({.to = {"c@quick.example"}});
    world.run_for(1s);
    EXPECT_FALSE(world.manager().is_idle()) << "one waits for the reply to its final dot";
    EXPECT_EQ(slow.open, 0u);
    EXPECT_EQ(quick.connects, 1u);
    world.run_for(11min);
    EXPECT_TRUE(world.manager().is_idle());
    EXPECT_EQ(world.count<events::InDoubt>("b@quick.example"), 1u);
    EXPECT_TRUE(world.store.kept.contains(early));
    EXPECT_EQ(world.store.kept.at(early).states[0].attempts, 0);
}

TEST(QueueManager, what_a_stop_cuts_off_past_its_final_dot_is_in_doubt_in_the_store) {
    World world;
    world.serve("them.example").reply = world::always(".", "hang");
    const auto id = world.send({.to = {"a@them.example", "b@them.example"}});
    world.run_for(2s);
    world.manager().drain();
    world.run_for(10s);
    ASSERT_FALSE(world.manager().is_idle());
    world.manager().cut();
    EXPECT_TRUE(world.manager().is_idle());
    EXPECT_EQ(world.count<events::InDoubt>(), 2u);
    for (const auto& state : world.store.kept.at(id).states) {
        EXPECT_TRUE(state.in_doubt);
        EXPECT_EQ(state.attempts, 1);
        EXPECT_TRUE(state.last_error.text.contains("this relay was stopped"));
    }
    for (const auto& hint : world.manager().hints())
        EXPECT_FALSE(hint.trouble) << "the host did nothing wrong";
}

}  // namespace
}  // namespace mta::outbound
