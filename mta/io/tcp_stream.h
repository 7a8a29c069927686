#pragma once
#include <memory>

#include "mta/io/byte_stream.h"
#include "mta/io/loop.h"

namespace mta::io {

// A TCP connection. Writes of one turn of the loop leave in one system call where the kernel takes
// them.
class TcpStream final : public ByteStream {
public:
    // How long finish() gives the peer to read the last reply and close its side, if there is room
    // (Loop::lingering()); without room the socket is closed at once.
    static constexpr std::uint64_t linger_ms_max = 2000;

    // `handle` is connected. Its loop must outlive the stream and the linger after finish().
    TcpStream(Loop& loop, UvHandle<uv_tcp_t> handle);
    // Takes the ownership of a connected socket that does not block. Returns null if the system has
    // no room for it; the socket is closed then.
    [[nodiscard]] static std::unique_ptr<TcpStream> adopt(Loop& loop, int socket,
                                                          const Endpoint& remote);
    TcpStream(const TcpStream&) = delete;
    TcpStream& operator=(const TcpStream&) = delete;
    ~TcpStream() override;

    void start(Handlers handlers) override;
    void write(std::string bytes) override;
    [[nodiscard]] std::size_t backlog_bytes() const override;
    void pause_reading() override;
    void resume_reading() override;
    void finish() override;
    void abort() override;
    [[nodiscard]] Endpoint local() const override;
    [[nodiscard]] Endpoint remote() const override;

private:
    class Connection;
    explicit TcpStream(std::shared_ptr<Connection> connection)
        : connection_(std::move(connection)) {}
    std::shared_ptr<Connection> connection_;
};

}  // namespace mta::io
