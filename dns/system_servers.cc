#include "dns/system_servers.h"

#include <array>
#include <cstdint>
#include <cstring>

#include <ares.h>

namespace dns {
namespace {

mta::Endpoint from_node(const ares_addr_port_node& node) {
    mta::Endpoint server;
    const auto port = static_cast<std::uint16_t>(node.udp_port);
    server.port = port == 0 ? 53 : port;
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &node.addr, bytes.size());
    server.address = node.family == AF_INET6
                         ? mta::IpAddress::v6(bytes)
                         : mta::IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
    return server;
}

}  // namespace

std::vector<mta::Endpoint> system_servers(const std::string& resolv_conf_path) {
    std::vector<mta::Endpoint> servers;
    ares_options options{};
    auto path = resolv_conf_path;
    options.resolvconf_path = path.data();
    ares_channel channel = nullptr;
    if (ares_init_options(&channel, &options, ARES_OPT_RESOLVCONF) == ARES_SUCCESS) {
        ares_addr_port_node* nodes = nullptr;
        if (ares_get_servers_ports(channel, &nodes) == ARES_SUCCESS) {
            for (const auto* node = nodes; node != nullptr; node = node->next) {
                const auto server = from_node(*node);
                // c-ares drops the zone of a link-local address, which leads nowhere without it.
                if (!server.address.is_link_local()) servers.push_back(server);
            }
            ares_free_data(nodes);
        }
        ares_destroy(channel);
    }
    if (servers.empty()) servers.push_back({mta::IpAddress::v4({127, 0, 0, 1}), 53});
    return servers;
}

}  // namespace dns
