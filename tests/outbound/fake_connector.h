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
    explicit FakeConnector(Agenda& agenda);
    ~FakeConnector() override;

    ConnectId connect(const mta::Endpoint& remote, const std::optional<mta::IpAddress>& source,
                      OnConnected on_connected) override;
    void cancel(ConnectId id) override;
    [[nodiscard]] ConnectId last() const;

    std::map<std::string, Server> servers;  // by endpoint
    std::vector<std::string> tried;
    std::set<std::string> unusable_sources;
    // Connections that the client has or is opening, by the servers' group.
    std::map<std::string, std::size_t> in_use;
    std::size_t in_use_total = 0;
    std::map<ConnectId, std::string> in_use_by_id;  // the same connections, each with its group
    std::function<void(const std::string& group)> on_connect;

private:
    void release(ConnectId id, const std::string& group);

    Agenda& agenda_;
    ConnectId last_ = 0;
    std::map<ConnectId, std::string> pending_;
};

}  // namespace world
