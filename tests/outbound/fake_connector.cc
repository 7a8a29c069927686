#include "tests/outbound/fake_connector.h"

#include <algorithm>
#include <utility>

namespace world {

FakeConnector::FakeConnector(Agenda& agenda) : agenda_(agenda) {}

FakeConnector::~FakeConnector() = default;

mta::io::Connector::ConnectId FakeConnector::connect(const mta::Endpoint& remote,
                                                     const std::optional<mta::IpAddress>& source,
                                                     OnConnected on_connected) {
    const auto from = source ? source->to_string() : std::string();
    EXPECT_TRUE(!source || source->is_v6() == remote.address.is_v6());
    const auto id = ++last_;
    tried.push_back(mta::to_string(remote));
    const auto found = servers.find(tried.back());
    auto* server = found == servers.end() ? nullptr : &found->second;
    const auto group = server == nullptr ? tried.back() : server->group;
    if (on_connect) on_connect(group);
    ++in_use[group];
    ++in_use_total;
    in_use_by_id.emplace(id, group);
    pending_.emplace(id, group);
    if (server != nullptr && server->is_hanging) return id;
    const auto latency = server != nullptr ? server->latency : 1ms;
    agenda_.later(latency, [this, id, remote, server, from,
                            done = std::move(on_connected)]() mutable {
        const auto waiting = pending_.extract(id);
        if (waiting.empty()) return;
        const auto& name = waiting.mapped();
        if (unusable_sources.contains(from)) {
            release(id, name);
            return done(std::unexpected(mta::io::ConnectError{"cannot send from " + from, true}));
        }
        if (server == nullptr || server->is_refusing) {
            release(id, name);
            return done(std::unexpected(mta::io::ConnectError{"connection refused"}));
        }
        done(std::make_unique<FakeStream>(agenda_, *server, remote, from,
                                          [this, id, name] { release(id, name); }));
    });
    return id;
}

void FakeConnector::cancel(ConnectId id) {
    if (const auto waiting = pending_.extract(id)) release(id, waiting.mapped());
}

mta::io::Connector::ConnectId FakeConnector::last() const { return last_; }

void FakeConnector::release(ConnectId id, const std::string& group) {
    in_use_by_id.erase(id);
    --in_use[group];
    --in_use_total;
}

}  // namespace world
