// An invented world around a queue manager: time, DNS, network, SMTP servers and a store in memory.
// Everything happens in virtual time, one thing after the other, in a fixed order.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/settings.h"
#include "dns/resolver.h"
#include "mta/base/time.h"
#include "mta/outbound/queue_manager.h"
#include "tests/outbound/agenda.h"
#include "tests/outbound/event_recorder.h"
#include "tests/outbound/fake_connector.h"
#include "tests/outbound/fake_resolver.h"
#include "tests/outbound/fake_store.h"
#include "tests/outbound/smtp_host.h"
#include "tests/support/operator_orders.h"

namespace world {

// A message that a test sends.
struct Mail {
    std::string from = "ann@office.example";
    std::vector<std::string> to = {"bob@them.example"};
    std::string body = "Subject: hello\r\n\r\nhello\r\n";
    std::uint8_t notify = queue::notify_unspecified;
    bool is_large = false;  // the body is in the store only
    std::string added_header = {};
    queue::Requests requests = {};
};

// A queue manager in its world. `settings` may be changed before the first use of manager().
class World {
public:
    World() { settings.hostname = "relay.office.example"; }

    conf::Settings settings;
    Agenda agenda;
    FakeStore store{agenda};
    FakeResolver resolver{agenda};
    std::unique_ptr<dns::Resolver> other_resolver;  // instead of it
    FakeConnector connector{agenda};
    EventRecorder events;
    struct Reported {
        mta::outbound::ReportKind kind;
        std::vector<mta::outbound::RecipientOutcome> outcomes;
        std::string head;
        queue::MessageId original;
        Instant when;
        Instant give_up_at;
        std::vector<queue::MessageId> also = {};
        std::size_t also_unlisted = 0;
    };
    std::vector<Reported> reports;
    mta::UtcOffsetAt utc_offset_at;

    mta::outbound::QueueManager& manager() {
        if (!manager_) {
            manager_ = std::make_unique<mta::outbound::QueueManager>(
                std::make_shared<const conf::Settings>(settings),
                mta::outbound::QueueManager::Ports{
                    store, other_resolver ? *other_resolver : resolver, connector},
                mta::outbound::QueueManager::Hooks{
                    .now = [this] { return agenda.now(); },
                    .request_tick = [this] { is_tick_requested_ = true; },
                    .make_reports = [this](const auto& request) { return report(request); },
                    .on_event = [this](const auto& event) { events.add(event); },
                    .utc_offset_at = utc_offset_at},
                1);
        }
        return *manager_;
    }
    mta::outbound::OperatorDesk& desk() { return manager().desk(); }
    // As `posthouse flush [DOMAIN]`.
    std::size_t flush(const std::string& domain = {}) { return support::flush(desk(), domain); }
    // Those that have mail, connections or trouble; with this name, if one is given.
    std::vector<mta::outbound::DestinationView> destinations(const std::string& name = {}) {
        auto views = desk().busy_destinations(SIZE_MAX).views;
        if (!name.empty()) std::erase_if(views, [&](auto& view) { return view.name != name; });
        return views;
    }
    void restart() { manager_.reset(); }

    // A domain with one MX host at one address, and the server there.
    Server& serve(const std::string& domain, const std::string& address = "192.0.2.1") {
        const auto host = "mx." + domain;
        resolver.set_mx(domain, {host});
        resolver.set_host(host, {address});
        return server(address);
    }
    Server& server(const std::string& address, std::uint16_t port = 25) {
        return connector.servers[mta::to_string({*mta::IpAddress::parse(address), port})];
    }

    std::shared_ptr<const queue::Message> message(const Mail& mail = {}) {
        auto made = std::make_shared<queue::Message>();
        made->id = store.allocate_id();
        made->arrival = agenda.now();
        made->envelope.reverse_path = mail.from;
        made->envelope.requests = mail.requests;
        for (const auto& address : mail.to) {
            const auto domain = address.substr(address.rfind('@') + 1);
            made->envelope.recipients.push_back({address, domain, mail.notify, {}});
        }
        made->added_header = mail.added_header;
        made->facts.size = mail.added_header.size() + mail.body.size();
        made->facts.header_bytes =
            static_cast<std::uint32_t>(mail.added_header.size() + mail.body.find("\r\n\r\n") + 2);
        made->facts.line_bytes_max = 80;
        if (mail.is_large) {
            store.append_body(made->id, mail.body, [](auto) {});
        } else {
            made->body = mail.body;
        }
        return made;
    }
    // As the daemon does it: to the store and to the queue manager at the same time.
    queue::MessageId send(const Mail& mail = {}) {
        const auto made = message(mail);
        store.enqueue(made, [](auto) {});
        manager().accept(made);
        settle_turn();
        return made->id;
    }

    // Everything up to and at that time.
    void run_until(Instant end) {
        settle_turn();
        while (true) {
            const auto wakeup = manager().next_wakeup();
            const auto action = agenda.next();
            const auto next =
                std::min(wakeup.value_or(Instant::max()), action.value_or(Instant::max()));
            if (next > end) break;
            if (action && *action <= next) {
                agenda.run_next();
            } else {
                agenda.set_now(*wakeup);
                is_tick_requested_ = true;
            }
            settle_turn();
        }
        agenda.set_now(end);
    }
    void run_for(Millis duration) { run_until(agenda.now() + duration); }

    // The events of this type whose subject (SubjectOf) begins so.
    template <class Type>
    [[nodiscard]] std::size_t count(std::string_view subject = {}) const {
        return events.count<Type>(subject);
    }
    template <class Type>
    [[nodiscard]] bool has(std::string_view subject = {}) const {
        return count<Type>(subject) > 0;
    }
    [[nodiscard]] Millis age(Instant when) const { return when - start; }

    const Instant start = agenda.now();

private:
    void settle_turn() {
        while (std::exchange(is_tick_requested_, false)) manager().tick();
    }

    std::vector<std::shared_ptr<const queue::Message>> report(
        const mta::outbound::ReportRequest& request) {
        reports.push_back({request.kind, request.outcomes, std::string(request.head),
                           request.original.id, request.now, request.give_up_at});
        for (const auto& other : request.also) reports.back().also.push_back(other.message->id);
        reports.back().also_unlisted = request.also_unlisted;
        auto made = std::make_shared<queue::Message>();
        made->id = store.allocate_id();
        made->arrival = agenda.now();
        const auto& to = request.original.envelope.reverse_path;
        made->envelope.recipients.push_back(
            {to, to.substr(to.rfind('@') + 1), queue::notify_never, {}});
        made->body = "Subject: report\r\n\r\n";
        made->facts.size = made->body.size();
        made->about = request.original.id;
        return {made};
    }

    bool is_tick_requested_ = false;
    std::unique_ptr<mta::outbound::QueueManager> manager_;
};

}  // namespace world
