#pragma once
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "mta/inbound/admission.h"
#include "mta/inbound/connection.h"
#include "mta/inbound/refusal_log.h"
#include "mta/inbound/statistics.h"
#include "mta/io/tcp_listener.h"

namespace mta::inbound {

// A shard's listeners and the clients that connected through them.
//
// Admission decides which clients get a connection. When all are in use, the session that has been
// idle longest without a transaction is closed for a client of our own. While connections are
// scarce, commands must come faster (Connection::set_stressed()).
class Server {
public:
    explicit Server(Services services);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    // Opens the listeners that the settings ask for and that are not open yet, and then closes
    // those that the settings no longer ask for. If a listener cannot be opened, nothing changes,
    // and the sentences say why. Existing connections keep their settings; new ones get the new
    // settings.
    [[nodiscard]] std::expected<void, std::vector<std::string>> configure(
        std::shared_ptr<const conf::Settings> settings);

    // Accepts no new clients and sends 421 to the others. A client past a final dot gets its reply
    // first.
    void shutdown();
    [[nodiscard]] bool is_idle() const { return connections_.empty(); }
    // Some client waits for the reply to a message.
    [[nodiscard]] bool is_storing() const;

    [[nodiscard]] std::size_t connections() const { return connections_.size(); }
    [[nodiscard]] const Statistics& statistics() const { return statistics_; }
    [[nodiscard]] std::vector<Endpoint> listening_on() const;

private:
    struct Client {
        std::shared_ptr<Connection> connection;
        Admission::Ticket ticket;
        bool is_counted = true;
    };

    [[nodiscard]] io::TcpListener::Handlers handlers();
    void on_connection(std::unique_ptr<io::ByteStream> stream);
    // The reply that refuses the client; empty if it is welcome.
    [[nodiscard]] std::string_view refusal_for(const IpAddress& client);
    [[nodiscard]] bool is_own(const IpAddress& client) const;
    [[nodiscard]] bool make_room();
    void release(Client& client);
    void forget(std::uint64_t number);
    void look_at_the_load();
    void on_pause(std::string_view reason);

    Services services_;
    std::shared_ptr<const SessionConfig> config_;
    // By the address in the settings: with port 0 the listener's own address differs.
    std::map<Endpoint, std::unique_ptr<io::TcpListener>> listeners_;
    Admission admission_;
    Statistics statistics_;
    RefusalLog refusal_log_;
    std::string refusal_text_;  // of the last refusal
    bool is_stressed_ = false;  // the connections know
    Instant next_search_;       // not earlier, for an idle client
    Instant next_pause_line_;   // not earlier, in the log
    std::uint64_t last_number_ = 0;
    std::unordered_map<std::uint64_t, Client> connections_;
};

}  // namespace mta::inbound
