#include "mta/io/socket_address.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>

namespace mta::io {

sockaddr_storage to_sockaddr(const Endpoint& endpoint) {
    sockaddr_storage out{};
    const auto& bytes = endpoint.address.bytes();
    if (endpoint.address.is_v6()) {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(endpoint.port);
        std::memcpy(&six.sin6_addr, bytes.data(), 16);
        std::memcpy(&out, &six, sizeof six);
    } else {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(endpoint.port);
        std::memcpy(&four.sin_addr, bytes.data(), 4);
        std::memcpy(&out, &four, sizeof four);
    }
    return out;
}

Endpoint from_sockaddr(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET6) {
        sockaddr_in6 six{};
        std::memcpy(&six, &address, sizeof six);
        std::array<std::uint8_t, 16> bytes{};
        std::memcpy(bytes.data(), &six.sin6_addr, bytes.size());
        return {IpAddress::v6(bytes), ntohs(six.sin6_port)};
    }
    if (address.ss_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, &address, sizeof four);
        std::array<std::uint8_t, 4> bytes{};
        std::memcpy(bytes.data(), &four.sin_addr, bytes.size());
        return {IpAddress::v4(bytes), ntohs(four.sin_port)};
    }
    return {};
}

}  // namespace mta::io
