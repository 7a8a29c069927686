#pragma once
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "mta/inbound/connection.h"
#include "mta/inbound/connection_counts.h"
#include "mta/inbound/statistics.h"
#include "mta/io/tcp_listener.h"

namespace mta::inbound {

// A shard's listeners and the clients that came through them.
class Server {
public:
    explicit Server(Services services);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    // Opens the listeners that the settings ask for and that are not open, and then closes those
    // that they no longer ask for. If one cannot be opened nothing changes, and the sentences say
    // why. Connections stay; new ones get the new settings.
    [[nodiscard]] std::expected<void, std::vector<std::string>> configure(
        std::shared_ptr<const conf::Settings> settings);

    // Takes no new client and says 421 to the others, to those past a final dot after their answer.
    void shutdown();
    [[nodiscard]] bool is_idle() const { return connections_.empty(); }
    // No client waits for the answer to a message any more.
    [[nodiscard]] bool is_storing() const;

    [[nodiscard]] std::size_t connections() const { return connections_.size(); }
    [[nodiscard]] const Statistics& statistics() const { return statistics_; }
    [[nodiscard]] std::vector<Endpoint> listening_on() const;

private:
    void on_connection(std::unique_ptr<io::ByteStream> stream);
    [[nodiscard]] std::optional<smtp::ServerReply> refusal_for(
        const IpAddress& client, const ConnectionCounts::Limits& limits);
    [[nodiscard]] ConnectionCounts::Limits limits_for(const IpAddress& client) const;

    Services services_;
    std::shared_ptr<const SessionConfig> config_;
    // By what the settings said: an address with port 0 listens on another one.
    std::map<Endpoint, std::unique_ptr<io::TcpListener>> listeners_;
    ConnectionCounts counts_;
    Statistics statistics_;
    std::uint64_t last_number_ = 0;
    std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> connections_;
};

}  // namespace mta::inbound
