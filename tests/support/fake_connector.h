// A Connector whose connections the test accepts or refuses, one at a time.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "mta/base/assert.h"
#include "mta/io/connector.h"
#include "tests/support/fake_stream.h"

namespace mta {

class FakeConnector final : public io::Connector {
public:
    struct Request {
        Endpoint remote;
        std::optional<IpAddress> source;
        OnConnected on_connected;
    };

    ConnectId connect(const Endpoint& remote, const std::optional<IpAddress>& source,
                      OnConnected on_connected) override {
        requests.emplace(++last_, Request{remote, source, std::move(on_connected)});
        return last_;
    }
    void cancel(ConnectId id) override { requests.erase(id); }

    // The oldest request succeeds; the far end stays valid as long as the connector.
    FakePeer& accept() {
        auto request = take();
        auto& peer = peers_.emplace_back();
        request.on_connected(std::make_unique<FakeStream>(peer, request.remote));
        return peer;
    }
    // The oldest request fails.
    void refuse(io::ConnectError error) { take().on_connected(std::unexpected(std::move(error))); }

    std::map<ConnectId, Request> requests;  // under way, the oldest first

private:
    Request take() {
        MTA_ASSERT(!requests.empty());
        return std::move(requests.extract(requests.begin()).mapped());
    }

    ConnectId last_ = 0;
    std::deque<FakePeer> peers_;
};

}  // namespace mta
