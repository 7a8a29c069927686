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

// Why there is no stream, in words for people: "connection refused", "no route to host".
struct ConnectError {
    std::string text;
    // The address to connect from cannot be used; the error says nothing about the other side.
    bool is_of_source = false;
};

// A port: opens a byte stream to an address. Each shard has one; callbacks come as in ByteStream.
// It has no time limit of its own: the caller cancels.
class Connector {
public:
    using ConnectId = std::uint64_t;
    using OnConnected =
        std::move_only_function<void(std::expected<std::unique_ptr<ByteStream>, ConnectError>)>;

    Connector() = default;
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;
    virtual ~Connector() = default;

    // `source` is the address to connect from; if it is empty, the system chooses one.
    virtual ConnectId connect(const Endpoint& remote, const std::optional<IpAddress>& source,
                              OnConnected on_connected) = 0;
    // on_connected will not be called. Does nothing if it has been called.
    virtual void cancel(ConnectId id) = 0;
};

}  // namespace mta::io
