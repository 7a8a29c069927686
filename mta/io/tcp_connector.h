#pragma once
#include <memory>
#include <unordered_map>

#include "mta/io/connector.h"
#include "mta/io/loop.h"

namespace mta::io {

// Connector over TCP. Its destruction drops the connections that it is opening.
class TcpConnector final : public Connector {
public:
    explicit TcpConnector(Loop& loop);
    ~TcpConnector() override;

    ConnectId connect(const Endpoint& remote, const std::optional<IpAddress>& source,
                      OnConnected on_connected) override;
    void cancel(ConnectId id) override;

private:
    struct Attempt;
    [[nodiscard]] int begin(Attempt& attempt, const Endpoint& remote,
                            const std::optional<IpAddress>& source);
    void end(ConnectId id, int status);

    Loop& loop_;
    ConnectId last_id_ = 0;
    std::unordered_map<ConnectId, std::unique_ptr<Attempt>> attempts_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace mta::io
