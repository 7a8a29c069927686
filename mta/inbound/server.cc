#include "mta/inbound/server.h"

#include <algorithm>
#include <limits>
#include <ranges>
#include <utility>

namespace mta::inbound {
namespace {

// A client that has been idle for less may be about to send a command.
constexpr Millis idle_min{1000};
// A search that found no idle client is not repeated for each new connection.
constexpr Millis search_interval{100};
constexpr Millis pause_line_interval{1000};

}  // namespace

Server::Server(Services services)
    : services_(std::move(services)),
      refusal_log_(services_.loop, services_.clock, services_.events) {
    services_.statistics = &statistics_;
    services_.intake.on_stored = [this](Instant ended) {
        statistics_.stored.add(services_.clock.now() - ended);
    };
}

Server::~Server() = default;

std::expected<void, std::vector<std::string>> Server::configure(
    std::shared_ptr<const conf::Settings> settings) {
    std::map<Endpoint, std::unique_ptr<io::TcpListener>> opened;
    std::vector<std::string> problems;
    for (const auto& listener : settings->listeners) {
        if (listeners_.contains(listener.address)) continue;
        auto result = io::TcpListener::open(services_.loop, listener.address, handlers());
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
    admission_.configure(settings->inbound);
    config_ = std::make_shared<const SessionConfig>(std::move(settings));
    look_at_the_load();
    return {};
}

io::TcpListener::Handlers Server::handlers() {
    return {.on_connection =
                [this](std::unique_ptr<io::TcpStream> stream) { on_connection(std::move(stream)); },
            .refusal = [this](const Endpoint& remote) { return refusal_for(remote.address); },
            .on_pause = [this](std::string_view reason) { on_pause(reason); }};
}

void Server::on_connection(std::unique_ptr<io::ByteStream> stream) {
    const auto number = ++last_number_;
    ++statistics_.connections;
    const auto address = stream->remote().address;
    const auto ticket = admission_.enter(address, is_own(address));
    const auto connection = std::make_shared<Connection>(
        services_, config_, std::move(stream), number, [this, number] { forget(number); });
    connections_.emplace(number, Client{.connection = connection, .ticket = ticket});
    if (is_stressed_) connection->set_stressed(true);
    connection->start();
    look_at_the_load();
}

void Server::release(Client& client) {
    if (!std::exchange(client.is_counted, false)) return;
    admission_.leave(client.ticket);
}

void Server::forget(std::uint64_t number) {
    const auto found = connections_.find(number);
    release(found->second);
    connections_.erase(found);
    look_at_the_load();
}

bool Server::is_own(const IpAddress& client) const {
    return config_->policy.may_relay_anywhere({.address = client});
}

std::string_view Server::refusal_for(const IpAddress& client) {
    using Verdict = Admission::Verdict;
    const bool is_own_client = is_own(client);
    const auto verdict = admission_.verdict(client, is_own_client);
    if (verdict == Verdict::welcome) return {};
    const bool is_full = verdict == Verdict::too_many;
    if (is_full && is_own_client && make_room()) return {};
    ++statistics_.connections;
    statistics_.count(is_full ? Refusal::too_many_connections : Refusal::too_many_from_address);
    refusal_log_.add(is_full                                     ? RefusalLog::Cause::too_many
                     : verdict == Verdict::too_many_from_address ? RefusalLog::Cause::from_address
                                                                 : RefusalLog::Cause::from_network,
                     client);
    refusal_text_ = is_full ? "421 4.3.2 Too many connections, please try again later\r\n"
                            : "421 4.7.0 Too many connections from " + client.to_string() +
                                  ", please close some\r\n";
    return refusal_text_;
}

// Closes the session that has been idle longest. Its place is free at once.
bool Server::make_room() {
    const auto now = services_.clock.now();
    if (now < next_search_) return false;
    Client* longest = nullptr;
    // Of several with the same time, the one that connected first.
    std::pair earliest(now - idle_min, std::numeric_limits<std::uint64_t>::max());
    for (auto& [number, client] : connections_) {
        const auto since = client.connection->idle_since();
        if (!client.is_counted || !since || std::pair(*since, number) > earliest) continue;
        earliest = {*since, number};
        longest = &client;
    }
    if (longest == nullptr) {
        next_search_ = now + search_interval;
        return false;
    }
    release(*longest);
    longest->connection->make_room();
    return true;
}

// Passes a change of the load on to the connections and the log.
void Server::look_at_the_load() {
    const bool is_stressed = admission_.is_scarce();
    if (is_stressed == is_stressed_) return;
    is_stressed_ = is_stressed;
    services_.events.send(services_.clock.now(),
                          events::ConnectionsScarce{is_stressed, admission_.connections(),
                                                    config_->settings->inbound.connections_max});
    for (auto& client : connections_ | std::views::values) {
        client.connection->set_stressed(is_stressed);
    }
}

void Server::on_pause(std::string_view reason) {
    const auto now = services_.clock.now();
    if (now < next_pause_line_) return;
    next_pause_line_ = now + pause_line_interval;
    services_.events.send(now, events::AcceptingPaused{std::string(reason)});
}

void Server::shutdown() {
    listeners_.clear();
    // A connection may end here, but leaves the map only at the end of the turn.
    for (const auto& client : connections_ | std::views::values) client.connection->shutdown();
}

bool Server::is_storing() const {
    return std::ranges::any_of(connections_ | std::views::values,
                               [](const auto& client) { return client.connection->is_storing(); });
}

std::vector<Endpoint> Server::listening_on() const {
    std::vector<Endpoint> addresses;
    for (const auto& listener : listeners_ | std::views::values) {
        addresses.push_back(listener->address());
    }
    return addresses;
}

}  // namespace mta::inbound
