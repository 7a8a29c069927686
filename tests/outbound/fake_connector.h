#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mta/io/connector.h"
#include "tests/outbound/agenda.h"
#include "tests/outbound/smtp_host.h"

namespace world {

// The network: servers by endpoint. A connection to an endpoint without a server is refused.
class FakeConnector final : public mta::io::Connector {
public:
    explicit FakeConnector(Agenda& agenda) : agenda_(agenda) {}

    ConnectId connect(const mta::Endpoint& remote, const std::optional<mta::IpAddress>& source,
                      OnConnected on_connected) override {
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
        agenda_.later(
            latency, [this, id, remote, server, from, done = std::move(on_connected)]() mutable {
                const auto waiting = pending_.extract(id);
                if (waiting.empty()) return;
                const auto& name = waiting.mapped();
                if (unusable_sources.contains(from)) {
                    release(id, name);
                    return done(
                        std::unexpected(mta::io::ConnectError{"cannot send from " + from, true}));
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
    void cancel(ConnectId id) override {
        if (const auto waiting = pending_.extract(id)) release(id, waiting.mapped());
    }
    [[nodiscard]] ConnectId last() const { return last_; }

    std::map<std::string, Server> servers;  // by endpoint
    std::vector<std::string> tried;
    std::set<std::string> unusable_sources;
    // Connections that the client has or is opening, by the servers' group.
    std::map<std::string, std::size_t> in_use;
    std::size_t in_use_total = 0;
    std::map<ConnectId, std::string> in_use_by_id;  // the same connections, each with its group
    std::function<void(const std::string& group)> on_connect;

private:
    void release(ConnectId id, const std::string& group) {
        in_use_by_id.erase(id);
        --in_use[group];
        --in_use_total;
    }

    Agenda& agenda_;
    ConnectId last_ = 0;
    std::map<ConnectId, std::string> pending_;
};

}  // namespace world
