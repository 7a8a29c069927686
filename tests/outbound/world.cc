#include "tests/outbound/world.h"

#include <algorithm>
#include <utility>

namespace world {

World::World() { settings.hostname = "relay.office.example"; }

World::~World() = default;

mta::outbound::QueueManager& World::manager() {
    if (!manager_) {
        manager_ = std::make_unique<mta::outbound::QueueManager>(
            std::make_shared<const conf::Settings>(settings),
            mta::outbound::QueueManager::Ports{store, other_resolver ? *other_resolver : resolver,
                                               connector},
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

mta::outbound::OperatorDesk& World::desk() { return manager().desk(); }

std::size_t World::flush(const std::string& domain) { return support::flush(desk(), domain); }

std::vector<mta::outbound::DestinationView> World::destinations(const std::string& name) {
    auto views = desk().busy_destinations(SIZE_MAX).views;
    if (!name.empty()) std::erase_if(views, [&](auto& view) { return view.name != name; });
    return views;
}

void World::restart() { manager_.reset(); }

Server& World::serve(const std::string& domain, const std::string& address) {
    const auto host = "mx." + domain;
    resolver.set_mx(domain, {host});
    resolver.set_host(host, {address});
    return server(address);
}

Server& World::server(const std::string& address, std::uint16_t port) {
    return connector.servers[mta::to_string({*mta::IpAddress::parse(address), port})];
}

std::shared_ptr<const queue::Message> World::message(const Mail& mail) {
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

queue::MessageId World::send(const Mail& mail) {
    const auto made = message(mail);
    store.enqueue(made, [](auto) {});
    manager().accept(made);
    settle_turn();
    return made->id;
}

void World::run_until(Instant end) {
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

void World::run_for(Millis duration) { run_until(agenda.now() + duration); }

Millis World::age(Instant when) const { return when - start; }

void World::settle_turn() {
    while (std::exchange(is_tick_requested_, false)) manager().tick();
}

std::vector<std::shared_ptr<const queue::Message>> World::report(
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

}  // namespace world
