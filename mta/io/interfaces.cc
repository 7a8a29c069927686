#include "mta/io/interfaces.h"

#include <cstring>

#include <uv.h>

#include "mta/io/socket_address.h"

namespace mta::io {

std::vector<IpAddress> own_addresses() {
    uv_interface_address_t* interfaces = nullptr;
    int count = 0;
    if (uv_interface_addresses(&interfaces, &count) != 0) return {};
    std::vector<IpAddress> addresses;
    for (int i = 0; i < count; ++i) {
        sockaddr_storage name{};
        std::memcpy(&name, &interfaces[i].address, sizeof interfaces[i].address);
        addresses.push_back(from_sockaddr(name).address);
    }
    uv_free_interface_addresses(interfaces, count);
    return addresses;
}

}  // namespace mta::io
