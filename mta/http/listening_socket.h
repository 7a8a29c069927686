#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "mta/base/ip_address.h"

namespace mta::http {

// A Unix socket in the file system. Its mode and group decide which users may connect.
struct UnixAddress {
    std::string path;
    std::uint32_t mode = 0660;  // as of chmod(2)
    std::string group = {};     // empty: the group of the process
};

// A socket that listens, on a path or on a TCP address. It is closed when it is destroyed, and the
// file of a Unix socket is removed.
//
// `setting` is the key of the configuration that has the address ("admin.socket"); errors begin
// with it. An error is a sentence for the administrator: the folder is missing, the relay has no
// right to write there, another relay listens there.
class ListeningSocket {
public:
    // Replaces a socket file that no process listens on any more (the relay was killed).
    [[nodiscard]] static std::expected<ListeningSocket, std::string> open(
        const UnixAddress& address, std::string_view setting);
    // Port 0: the system chooses one; port() returns it.
    [[nodiscard]] static std::expected<ListeningSocket, std::string> open(const Endpoint& address,
                                                                          std::string_view setting);

    ListeningSocket(ListeningSocket&& other) noexcept;
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;
    ListeningSocket& operator=(ListeningSocket&& other) = delete;
    ~ListeningSocket();

    [[nodiscard]] const std::string& setting() const { return setting_; }
    [[nodiscard]] const std::string& path() const { return path_; }  // empty: over TCP
    [[nodiscard]] std::uint16_t port() const { return port_; }       // 0: a Unix socket

    // Hands the descriptor over to the caller, which closes it. The file stays until this object is
    // destroyed.
    [[nodiscard]] int release();
    // Removes the file now. Clients can no longer connect.
    void remove_file();

private:
    ListeningSocket(int fd, std::string_view setting) : fd_(fd), setting_(setting) {}

    int fd_ = -1;
    std::string setting_;
    std::string path_;
    std::uint16_t port_ = 0;
};

}  // namespace mta::http
