#pragma once
#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/ip_address.h"
#include "mta/io/byte_stream.h"
#include "tests/outbound/agenda.h"

namespace world {

// A message that a server has accepted.
struct Received {
    std::string sender;
    std::vector<std::string> recipients;
    std::string body;
    std::size_t connection = 0;  // its number at this server, from 1
    Instant when;
    std::string source;  // the address that the client bound; empty: none
};

// One receiving host. `reply` is asked for every command line ("CONNECT" for the greeting, "." for
// the final dot) and may answer otherwise than the polite default; "close" hangs up, "hang" says
// nothing, "take and close" and "take and hang" take the message and lose the reply; "later 250 ok"
// goes out in one piece with the reply to the next command.
struct Server {
    std::function<std::optional<std::string>(const std::string& command)> reply;
    std::vector<std::string> extensions = {"PIPELINING", "8BITMIME"};
    bool is_refusing = false;  // connection refused
    bool is_hanging = false;   // no answer to SYN
    Millis latency{1};
    std::string group;  // the destination that it belongs to
    std::function<void(const Received&)> on_received;
    // Each command line, and "CONNECT"; `connection` as in Received.
    std::function<void(std::size_t connection, const std::string& command)> on_command;
    // What the test may look at.
    std::string client;  // the address that the client bound whose command is being answered
    std::vector<Received> received;
    std::vector<std::string> commands;
    std::size_t connects = 0;
    std::size_t open = 0;
    std::size_t open_most = 0;
};

class Connection;

class FakeStream final : public mta::io::ByteStream {
public:
    // `on_closed_by_us`: the client has closed its end.
    FakeStream(Agenda& agenda, Server& server, mta::Endpoint remote, const std::string& source,
               std::function<void()> on_closed_by_us);
    ~FakeStream() override { abort(); }

    void start(Handlers handlers) override;
    void write(std::string bytes) override;
    std::size_t backlog_bytes() const override { return 0; }
    void pause_reading() override {}
    void resume_reading() override {}
    void finish() override { close(); }
    void abort() override { close(); }
    mta::Endpoint local() const override { return {}; }
    mta::Endpoint remote() const override { return remote_; }

private:
    void close();

    Agenda& agenda_;
    Server& server_;
    std::shared_ptr<Connection> connection_;
    mta::Endpoint remote_;
    std::function<void()> on_closed_by_us_;
};

// A server whose answer to one command is always the same.
inline auto always(const std::string& command, const std::string& answer) {
    return [=](const std::string& said) {
        return said.starts_with(command) ? std::optional<std::string>(answer) : std::nullopt;
    };
}

}  // namespace world
