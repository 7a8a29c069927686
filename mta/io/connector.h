#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mta/base/ip_address.h"
#include "mta/io/byte_stream.h"

namespace mta::io {

// Why there is no stream; for people: "connection refused", "no route to host".
struct ConnectError {
    std::string text;
    // The address to connect from cannot be used: it says nothing about the other side.
    bool is_of_source = false;
};

// A port: opens a byte stream to an address. One a shard; callbacks as in ByteStream. It has no
// time limit of its own: who is tired of waiting cancels.
class Connector {
public:
    using ConnectId = std::uint64_t;
    using OnConnected =
        std::move_only_function<void(std::expected<std::unique_ptr<ByteStream>, ConnectError>)>;

    Connector() = default;
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;
    virtual ~Connector() = default;

    // `source`: the address to connect from; nothing: the system's choice.
    virtual ConnectId connect(const Endpoint& remote, const std::optional<IpAddress>& source,
                              OnConnected on_connected) = 0;
    // on_connected will not be called. Does nothing if it has been.
    virtual void cancel(ConnectId id) = 0;
};

}  // namespace mta::io
