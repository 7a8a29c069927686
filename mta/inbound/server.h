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
#include "mta/inbound/refusal_log.h"
#include "mta/inbound/statistics.h"
#include "mta/io/tcp_listener.h"

namespace mta::inbound {

// A shard's listeners and the clients that came through them.
//
// Who gets a connection: strangers nine tenths of all, one network of them half, one address what
// the settings say; so they cannot lock out our own clients. One address of our own gets half. When
// all are in use, the longest idle session without a transaction is closed for a client of our own.
// When more than three quarters are in use, commands must come faster (Connection::set_stressed())
// until fewer than six tenths are.
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
    struct Client {
        std::shared_ptr<Connection> connection;
        IpAddress address;
        ConnectionCounts::Limits limits;
        bool is_counted = true;
    };

    [[nodiscard]] io::TcpListener::Handlers handlers();
    void on_connection(std::unique_ptr<io::ByteStream> stream);
    // Empty: it is welcome.
    [[nodiscard]] std::string_view refusal_for(const IpAddress& client);
    [[nodiscard]] ConnectionCounts::Limits limits_for(const IpAddress& client) const;
    [[nodiscard]] bool make_room();
    void release(Client& client);
    void forget(std::uint64_t number);
    void look_at_the_load();
    void on_pause(std::string_view reason);

    Services services_;
    std::shared_ptr<const SessionConfig> config_;
    // By what the settings said: an address with port 0 listens on another one.
    std::map<Endpoint, std::unique_ptr<io::TcpListener>> listeners_;
    ConnectionCounts counts_;
    Statistics statistics_;
    RefusalLog refusal_log_;
    std::string refusal_words_;  // of the last refusal
    bool is_stressed_ = false;
    Instant next_search_;      // for an idle client
    Instant next_pause_line_;  // in the log
    std::uint64_t last_number_ = 0;
    std::unordered_map<std::uint64_t, Client> connections_;
};

}  // namespace mta::inbound
