#include "mta/inbound/server.h"

#include <algorithm>
#include <ranges>

namespace mta::inbound {
namespace {

// So that strangers cannot lock those out who may relay: a part of all connections is kept for
// them, and no network of strangers gets more than another part.
constexpr std::uint32_t own_share = 10;
constexpr std::uint32_t network_share = 2;

}  // namespace

Server::Server(Services services) : services_(std::move(services)) {
    services_.statistics = &statistics_;
}

Server::~Server() = default;

std::expected<void, std::vector<std::string>> Server::configure(
    std::shared_ptr<const conf::Settings> settings) {
    std::map<Endpoint, std::unique_ptr<io::TcpListener>> opened;
    std::vector<std::string> problems;
    for (const auto& listener : settings->listeners) {
        if (listeners_.contains(listener.address)) continue;
        auto result = io::TcpListener::open(
            services_.loop, listener.address,
            [this](std::unique_ptr<io::TcpStream> stream) { on_connection(std::move(stream)); });
        if (result) {
            opened.emplace(listener.address, std::move(*result));
        } else {
            problems.push_back("cannot listen on " + to_string(listener.address) + ": " +
                               result.error());
        }
    }
    if (!problems.empty()) return std::unexpected(std::move(problems));

    std::erase_if(listeners_, [&](const auto& open) {
        return std::ranges::find(settings->listeners, open.first, &conf::Listener::address) ==
               settings->listeners.end();
    });
    listeners_.merge(opened);
    config_ = std::make_shared<const SessionConfig>(std::move(settings));
    return {};
}

void Server::on_connection(std::unique_ptr<io::ByteStream> stream) {
    const auto number = ++last_number_;
    ++statistics_.connections;
    const auto client = stream->remote().address;
    const auto limits = limits_for(client);
    const auto refusal = refusal_for(client, limits);
    const bool is_counted = !refusal;
    const auto connection = std::make_shared<Connection>(
        services_, config_, std::move(stream), number, [this, number, client, limits, is_counted] {
            if (is_counted) counts_.leave(client, limits);
            connections_.erase(number);
        });
    connections_.emplace(number, connection);
    refusal ? connection->refuse(*refusal) : connection->start();
}

ConnectionCounts::Limits Server::limits_for(const IpAddress& client) const {
    const auto& inbound = config_->settings->inbound;
    const auto most = inbound.connections_max;
    if (config_->policy.may_relay_anywhere(client)) return {.connections_max = most};
    return {.connections_max = most - most / own_share,
            .per_address_max = inbound.connections_per_address_max,
            .per_network_max = std::max(most / network_share, 1u)};
}

std::optional<smtp::ServerReply> Server::refusal_for(const IpAddress& client,
                                                     const ConnectionCounts::Limits& limits) {
    switch (counts_.enter(client, limits)) {
        case ConnectionCounts::Verdict::welcome: return std::nullopt;
        case ConnectionCounts::Verdict::too_many:
            statistics_.count(Refusal::too_many_connections);
            return smtp::ServerReply{.code = 421,
                                     .status = {4, 3, 2},
                                     .text = "Too many connections, please try again later"};
        case ConnectionCounts::Verdict::too_many_from_network:
        case ConnectionCounts::Verdict::too_many_from_address: break;
    }
    statistics_.count(Refusal::too_many_from_address);
    return smtp::ServerReply{
        .code = 421,
        .status = {4, 7, 0},
        .text = "Too many connections from " + client.to_string() + ", please close some"};
}

void Server::shutdown() {
    listeners_.clear();
    // A connection may end, but leaves the map only at the end of the turn.
    for (const auto& connection : connections_ | std::views::values) connection->shutdown();
}

bool Server::is_storing() const {
    return std::ranges::any_of(connections_ | std::views::values,
                               [](const auto& connection) { return connection->is_storing(); });
}

std::vector<Endpoint> Server::listening_on() const {
    std::vector<Endpoint> addresses;
    for (const auto& listener : listeners_ | std::views::values) {
        addresses.push_back(listener->address());
    }
    return addresses;
}

}  // namespace mta::inbound
