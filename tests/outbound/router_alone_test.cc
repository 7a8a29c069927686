// The router alone: no mail is delivered, and its handlers only note what they are told.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/events/destination_events.h"
#include "mta/outbound/routing/router.h"
#include "tests/outbound/bare_loop.h"
#include "tests/outbound/fake_resolver.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using events::DestinationDown;
using events::DestinationUp;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using world::FakeResolver;

conf::Route route(std::string domain, std::string host) {
    conf::Route made;
    made.domain = std::move(domain);
    made.hosts = {{std::move(host), 25}};
    return made;
}

// A router, and the tables that it reads and writes.
struct Rig {
    explicit Rig(conf::Settings settings = {}) : loop(with_hostname(std::move(settings))) {}

    static conf::Settings with_hostname(conf::Settings settings) {
        settings.hostname = "relay.office.example";
        return settings;
    }
    // Mail for the domain is in the queue.
    queue::DomainHandle domain(const std::string& name) {
        queue::Message message;
        message.id = ++last_id;
        message.arrival = loop.agenda.now();
        message.envelope.reverse_path = "ann@office.example";
        message.envelope.recipients.push_back({"bob@" + name, name, 0, {}});
        messages.push_back(scheduler.add(message));
        return scheduler.table().find_domain(name);
    }
    queue::BundleHandle park(queue::DomainHandle of) {
        const auto bundle = bundles.add({.message = messages.back(), .domain = of});
        router.park(of, bundle);
        return bundle;
    }
    void run_for(Millis time) { loop.run_for(router, time); }
    std::string name_of(queue::SiteHandle site) { return site ? sites[site].plan.name : "none"; }
    // What it was told since the last call.
    std::vector<std::string> take_told() { return std::exchange(told, {}); }

    void note(const std::string& what, queue::DomainHandle of) {
        told.push_back(what + " " + scheduler.table().domain(of).name);
    }
    void unpark_all(queue::DomainHandle of) {
        while (const auto bundle = router.first_parked(of)) {
            router.unpark(of, bundle);
            bundles.remove(bundle);
        }
    }

    world::BareLoop loop;
    FakeResolver resolver{loop.agenda};
    queue::Scheduler scheduler{
        {}, [](std::string_view) { return std::nullopt; }, 1, loop.agenda.now()};
    queue::BundleSlab bundles;
    SourceTable sources{loop.context.settings().sources};
    SiteTable sites{loop.context};
    std::vector<std::string> told;
    queue::MessageId last_id = 0;
    std::vector<queue::MessageHandle> messages;
    Router router{loop.context,
                  {resolver, scheduler, bundles, sources, sites},
                  {.on_routed =
                       [this](queue::DomainHandle of) {
                           note("routed", of);
                           unpark_all(of);
                       },
                   .on_unroutable =
                       [this](queue::DomainHandle of, const DeliveryError& error) {
                           note("unroutable " + to_string(error.status), of);
                           unpark_all(of);
                       },
                   .on_moved = [this](queue::DomainHandle of) { note("moved", of); }}};
};

TEST(RouterAlone, knows_the_site_of_a_static_route_without_asking_the_dns) {
    conf::Settings settings;
    settings.routes = {route("*", "exchange.lan")};
    Rig rig(settings);
    const auto them = rig.domain("them.example");
    const auto site = rig.router.site_for(them, {});
    EXPECT_EQ(rig.name_of(site), "exchange.lan:25");
    EXPECT_TRUE(rig.router.is_static(them));
    EXPECT_EQ(rig.router.site_for(rig.domain("others.example"), {}), site)
        << "domains with one route share its site";
    EXPECT_EQ(rig.sites[site].domains, 2u);
    EXPECT_THAT(rig.resolver.asked, IsEmpty());
}

TEST(RouterAlone, sends_mail_for_an_address_literal_to_that_address_without_asking_the_dns) {
    Rig rig;
    const auto literal = rig.domain("[192.0.2.1]");
    EXPECT_EQ(rig.name_of(rig.router.site_for(literal, {})), "[192.0.2.1]");
    EXPECT_FALSE(rig.router.is_static(literal));
    EXPECT_THAT(rig.resolver.asked, IsEmpty());
}

TEST(RouterAlone,
     keeps_bundles_in_the_line_of_their_domain_until_the_dns_has_answered_one_question) {
    Rig rig;
    rig.resolver.set_mx("them.example", {"mx.them.example"});
    const auto them = rig.domain("them.example");
    EXPECT_FALSE(rig.router.site_for(them, {}));
    const auto first = rig.park(them);
    (void)rig.park(them);
    EXPECT_EQ(rig.router.first_parked(them), first);
    EXPECT_EQ(rig.router.view(them).asked_since, rig.loop.agenda.now());
    EXPECT_THAT(rig.resolver.asked, ElementsAre("them.example MX"));
    EXPECT_EQ(rig.resolver.wanted.back(), dns::Freshness::cached);
    EXPECT_THAT(rig.told, IsEmpty());
    rig.run_for(5ms);
    EXPECT_THAT(rig.told, ElementsAre("routed them.example"));
    EXPECT_EQ(rig.name_of(rig.router.site_for(them, {})), "mx.them.example");
    EXPECT_FALSE(rig.router.view(them).asked_since);
}

TEST(RouterAlone, gives_each_pool_of_sources_a_site_of_its_own_unless_the_route_names_a_pool) {
    conf::Settings settings;
    settings.routes = {route("them.example", "exchange.lan"), route("own.example", "own.lan")};
    settings.routes[1].source = "own";
    Rig rig(settings);
    const auto them = rig.domain("them.example");
    const auto plain = rig.router.site_for(them, {});
    const auto bulk = rig.router.site_for(them, "bulk");
    EXPECT_EQ(rig.name_of(bulk), "exchange.lan:25 from bulk");
    EXPECT_THAT(rig.router.sites_of(them), ElementsAre(plain, bulk));
    EXPECT_EQ(rig.router.view(them, "bulk").site, bulk);
    EXPECT_EQ(rig.router.view(them, "unknown").site, plain);
    const auto own = rig.domain("own.example");
    EXPECT_EQ(rig.router.site_for(own, {}), rig.router.site_for(own, "bulk"));
    EXPECT_EQ(rig.name_of(rig.router.site_for(own, "bulk")), "own.lan:25 from own");
}

TEST(RouterAlone, says_which_pool_mail_of_a_sender_goes_through) {
    conf::Settings settings;
    settings.sources = {{.name = "mail1",
                         .pool = "bulk",
                         .v4 = std::nullopt,
                         .v6 = std::nullopt,
                         .ehlo = "mail1.example",
                         .senders = {"office.example"}}};
    Rig rig(settings);
    (void)rig.domain("them.example");
    EXPECT_EQ(rig.router.source_of(rig.scheduler.table().message(rig.messages.back())), "bulk");
}

TEST(RouterAlone, says_that_a_domain_is_unroutable_for_good_as_the_dns_says) {
    Rig rig;
    rig.resolver.set_mx("null.example", {"."});
    rig.resolver.set_mx("ours.example", {"relay.office.example"});
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"gone.example", "5.1.2"}, {"null.example", "5.1.10"}, {"ours.example", "5.4.6"}};
    for (const auto& [name, status] : expected) {
        const auto domain = rig.domain(name);
        (void)rig.park(domain);
        rig.run_for(5ms);
        EXPECT_THAT(rig.take_told(), ElementsAre("unroutable " + status + " " + name));
        EXPECT_FALSE(rig.router.site_for(domain, {}));
        EXPECT_TRUE(rig.router.view(domain).health->is_up()) << "the DNS has answered";
    }
    EXPECT_EQ(rig.loop.events.count<DestinationDown>(), 0u);
}

TEST(RouterAlone, probes_a_domain_whose_dns_fails_whatever_is_parked_meanwhile) {
    Rig rig;
    rig.resolver.mx["them.example"] =
        FakeResolver::error("SERVFAIL", FakeResolver::Kind::server_failure);
    const auto them = rig.domain("them.example");
    (void)rig.park(them);
    rig.run_for(5ms);
    EXPECT_THAT(rig.told, IsEmpty());
    EXPECT_EQ(rig.loop.events.count_exact<DestinationDown>("them.example"), 1u);
    EXPECT_EQ(rig.router.failures_of(them), 1u);
    EXPECT_FALSE(rig.router.view(them).health->is_up());
    (void)rig.park(them);
    rig.router.look_up_anew(them);
    EXPECT_THAT(rig.resolver.asked, SizeIs(1)) << "the probe is not due";
    EXPECT_EQ(rig.router.check(), "");
    rig.run_for(26s);
    EXPECT_THAT(rig.resolver.asked, SizeIs(1));
    rig.run_for(10s);
    EXPECT_THAT(rig.resolver.asked, SizeIs(2));
    EXPECT_EQ(rig.resolver.wanted.back(), dns::Freshness::retry);
    EXPECT_EQ(rig.router.failures_of(them), 2u);
    rig.resolver.set_mx("them.example", {"mx.them.example"});
    rig.run_for(70s);
    EXPECT_THAT(rig.told, ElementsAre("routed them.example"));
    EXPECT_EQ(rig.loop.events.count_exact<DestinationUp>("them.example"), 1u);
    EXPECT_EQ(rig.loop.events.count<DestinationDown>(), 1u);
}

TEST(RouterAlone, looks_a_domain_up_at_once_when_an_administrator_orders_it) {
    Rig rig;
    rig.resolver.mx["them.example"] =
        FakeResolver::error("SERVFAIL", FakeResolver::Kind::server_failure);
    const auto them = rig.domain("them.example");
    rig.router.probe_now(them);
    EXPECT_THAT(rig.resolver.asked, IsEmpty()) << "no mail waits for it";
    (void)rig.park(them);
    rig.run_for(1s);
    rig.resolver.set_mx("them.example", {"mx.them.example"});
    rig.router.probe_now(them);
    EXPECT_THAT(rig.resolver.asked, SizeIs(2));
    EXPECT_EQ(rig.resolver.wanted.back(), dns::Freshness::ordered);
    rig.run_for(5ms);
    EXPECT_THAT(rig.told, ElementsAre("routed them.example"));
}

TEST(RouterAlone,
     does_not_blame_a_domain_for_an_overloaded_resolver_and_asks_again_in_ten_seconds) {
    Rig rig;
    rig.resolver.mx["them.example"] =
        FakeResolver::error("no room", FakeResolver::Kind::overloaded);
    const auto them = rig.domain("them.example");
    (void)rig.park(them);
    rig.run_for(5ms);
    EXPECT_TRUE(rig.router.view(them).has_no_room);
    EXPECT_FALSE(rig.router.view(them).asked_since);
    EXPECT_TRUE(rig.router.view(them).health->is_up());
    EXPECT_EQ(rig.router.failures_of(them), 0u);
    EXPECT_EQ(rig.loop.events.count<DestinationDown>(), 0u);
    EXPECT_EQ(rig.router.check(), "");
    rig.resolver.set_mx("them.example", {"mx.them.example"});
    rig.run_for(10s - 1ms);
    EXPECT_THAT(rig.resolver.asked, SizeIs(1));
    rig.run_for(10ms);
    EXPECT_THAT(rig.resolver.asked, SizeIs(2));
    EXPECT_THAT(rig.told, ElementsAre("routed them.example"));
}

TEST(RouterAlone, asks_about_the_next_domain_without_room_when_an_answer_has_made_room) {
    Rig rig;
    rig.resolver.mx["full.example"] =
        FakeResolver::error("no room", FakeResolver::Kind::overloaded);
    rig.resolver.set_mx("them.example", {"mx.them.example"});
    const auto full = rig.domain("full.example");
    (void)rig.park(full);
    rig.run_for(5ms);
    rig.resolver.set_mx("full.example", {"mx.full.example"});
    const auto them = rig.domain("them.example");
    (void)rig.park(them);
    rig.run_for(10ms);
    EXPECT_THAT(rig.resolver.asked,
                ElementsAre("full.example MX", "them.example MX", "full.example MX"));
    EXPECT_THAT(rig.told, ElementsAre("routed them.example", "routed full.example"));
}

TEST(RouterAlone, says_that_mail_has_moved_only_if_a_later_answer_names_other_hosts) {
    Rig rig;
    rig.resolver.set_mx("them.example", {"mx.them.example"});
    const auto them = rig.domain("them.example");
    (void)rig.park(them);
    rig.run_for(5ms);
    const auto former = rig.router.site_for(them, {});
    const auto look_again = [&] {
        rig.take_told();
        rig.loop.agenda.set_now(rig.loop.agenda.now() + 1h);
        EXPECT_FALSE(rig.router.site_for(them, {})) << "the records have aged";
        rig.router.look_up_anew(them);
        rig.run_for(5ms);
        return rig.take_told();
    };
    EXPECT_THAT(look_again(), ElementsAre("routed them.example"));
    EXPECT_EQ(rig.router.site_for(them, {}), former);
    rig.resolver.set_mx("them.example", {"mx.new.example"});
    EXPECT_THAT(look_again(), ElementsAre("routed them.example", "moved them.example"));
    EXPECT_EQ(rig.name_of(rig.router.site_for(them, {})), "mx.new.example");
    EXPECT_EQ(rig.sites[former].domains, 0u);
    rig.resolver.set_mx("them.example", {"."});
    EXPECT_THAT(look_again(), ElementsAre("unroutable 5.1.10 them.example", "moved them.example"));
}

TEST(RouterAlone, keeps_the_route_when_the_dns_fails_to_answer_anew) {
    Rig rig;
    rig.resolver.set_mx("them.example", {"mx.them.example"});
    const auto them = rig.domain("them.example");
    (void)rig.park(them);
    rig.run_for(5ms);
    const auto site = rig.router.site_for(them, {});
    rig.take_told();
    rig.resolver.mx["them.example"] =
        FakeResolver::error("SERVFAIL", FakeResolver::Kind::server_failure);
    rig.loop.agenda.set_now(rig.loop.agenda.now() + 1h);
    rig.router.look_up_anew(them);
    rig.run_for(5ms);
    EXPECT_THAT(rig.told, IsEmpty());
    EXPECT_THAT(rig.router.sites_of(them), ElementsAre(site));
    EXPECT_EQ(rig.sites[site].domains, 1u);
}

TEST(RouterAlone, routes_anew_after_the_settings_were_replaced) {
    conf::Settings settings;
    settings.routes = {route("them.example", "old.lan")};
    Rig rig(settings);
    const auto them = rig.domain("them.example");
    const auto old = rig.router.site_for(them, {});
    settings.routes = {route("them.example", "new.lan")};
    settings.routes[0].lifetime = 1h;
    (void)rig.loop.context.replace_settings(std::make_shared<const conf::Settings>(settings));
    EXPECT_EQ(rig.router.site_for(them, {}), old) << "the router has not been told";
    rig.router.apply_settings();
    EXPECT_EQ(rig.name_of(rig.router.site_for(them, {})), "new.lan:25");
    EXPECT_EQ(rig.sites[old].domains, 0u);
    EXPECT_EQ(Router::lifetime_of(rig.router.routes(), "them.example"), Millis{1h});
    EXPECT_EQ(Router::lifetime_of(rig.router.routes(), "others.example"), std::nullopt);
    settings.routes.clear();
    (void)rig.loop.context.replace_settings(std::make_shared<const conf::Settings>(settings));
    rig.router.apply_settings();
    EXPECT_FALSE(rig.router.site_for(them, {})) << "it goes by MX now, which has to be looked up";
}

TEST(RouterAlone, forgets_a_domain_a_minute_after_its_last_mail) {
    conf::Settings settings;
    settings.routes = {route("*", "exchange.lan")};
    Rig rig(settings);
    const auto them = rig.domain("them.example");
    const auto site = rig.router.site_for(them, {});
    rig.scheduler.remove(rig.messages.back());
    rig.router.note_unused(rig.scheduler.table().take_unused_domains());
    rig.run_for(1min - 1ms);
    EXPECT_EQ(rig.scheduler.table().find_domain("them.example"), them);
    rig.run_for(1ms);
    EXPECT_FALSE(rig.scheduler.table().find_domain("them.example"));
    EXPECT_EQ(rig.sites[site].domains, 0u);
}

TEST(RouterAlone, begins_no_look_up_of_its_own_while_the_relay_is_draining) {
    Rig rig;
    const auto them = rig.domain("them.example");
    rig.loop.context.drain();
    rig.router.look_up_anew(them);
    EXPECT_THAT(rig.resolver.asked, IsEmpty());
}

TEST(RouterAlone, ignores_an_answer_that_comes_after_its_end) {
    world::BareLoop loop;
    FakeResolver resolver(loop.agenda);
    resolver.set_mx("them.example", {"mx.them.example"});
    queue::Scheduler scheduler(
        {}, [](std::string_view) { return std::nullopt; }, 1, loop.agenda.now());
    queue::BundleSlab bundles;
    const SourceTable sources(loop.context.settings().sources);
    SiteTable sites(loop.context);
    queue::Message message;
    message.id = 1;
    message.envelope.recipients.push_back({"bob@them.example", "them.example", 0, {}});
    (void)scheduler.add(message);
    int told = 0;
    {
        Router router(loop.context, {resolver, scheduler, bundles, sources, sites},
                      {.on_routed = [&](queue::DomainHandle) { ++told; },
                       .on_unroutable = [&](queue::DomainHandle, const DeliveryError&) { ++told; },
                       .on_moved = [&](queue::DomainHandle) { ++told; }});
        router.look_up_anew(scheduler.table().find_domain("them.example"));
    }
    ASSERT_TRUE(loop.agenda.next());
    loop.agenda.run_next();
    EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace mta::outbound
