#include "mta/http/listening_socket.h"

#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace mta::http {
namespace {

namespace fs = std::filesystem;
using Done = std::expected<void, std::string>;  // the error is a sentence

constexpr int backlog = 64;
constexpr int stream = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

std::string reason_of(int error_number) { return std::generic_category().message(error_number); }

std::unexpected<std::string> problem(std::string_view setting, const std::string& text) {
    return std::unexpected(std::string(setting) + ": " + text);
}

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

// ---- Unix sockets ----

// The path in the form of the system. Empty if the path is too long for that.
std::optional<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}
const sockaddr* generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

// Makes room at the path: removes a socket file that no process listens on.
Done clear_stale_socket(const std::string& path, const sockaddr_un& address,
                        std::string_view setting) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return {};  // bind() reports what is wrong, if anything
    if (!S_ISSOCK(info.st_mode)) {
        return problem(setting,
                       path + " exists and is no socket; move it away or choose another path");
    }
    const Descriptor probe(::socket(AF_UNIX, stream, 0));
    // EAGAIN: a process listens, and is too busy to accept.
    if (probe.get() >= 0 &&
        (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN)) {
        return problem(setting, "another relay is running and listens on " + path);
    }
    if (errno != ECONNREFUSED) {
        return problem(setting,
                       "cannot tell whether somebody listens on " + path + ": " + reason_of(errno));
    }
    if (::unlink(path.c_str()) != 0) {
        return problem(setting, "cannot remove the old socket " + path + ": " + reason_of(errno));
    }
    return {};
}

std::string bind_problem(const std::string& path, int error_number) {
    const auto folder = fs::path(path).parent_path().string();
    if (error_number == ENOENT) {
        return "the folder " + folder +
               " does not exist; create it (systemd does with RuntimeDirectory=posthouse)";
    }
    if (error_number == EACCES || error_number == EROFS) {
        return "no permission to create " + path + " (" + reason_of(error_number) +
               "); the folder must belong to the user that the relay runs as";
    }
    return "cannot create " + path + ": " + reason_of(error_number);
}

Done give_to_group(const UnixAddress& address, std::string_view setting) {
    const auto of_group = std::string(setting) + "_group";
    constexpr std::size_t buffer_bytes = 16u << 10;
    std::vector<char> buffer(buffer_bytes);
    group entry{};
    group* found = nullptr;
    if (::getgrnam_r(address.group.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr) {
        return problem(of_group, "there is no group \"" + address.group + '"');
    }
    if (::chown(address.path.c_str(), static_cast<uid_t>(-1), entry.gr_gid) != 0) {
        return problem(of_group, "cannot give " + address.path + " to the group \"" +
                                     address.group + "\" (" + reason_of(errno) +
                                     "); the relay's user must be a member of it");
    }
    return {};
}

Done set_access(const UnixAddress& address, std::string_view setting) {
    if (!address.group.empty()) {
        if (auto given = give_to_group(address, setting); !given) return given;
    }
    if (::chmod(address.path.c_str(), address.mode) != 0)
        return problem(setting, address.path + ": " + reason_of(errno));
    return {};
}

// ---- TCP ----

struct TcpAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
};
TcpAddress tcp_address_of(const Endpoint& endpoint) {
    TcpAddress address;
    const auto& bytes = endpoint.address.bytes();
    if (!endpoint.address.is_v6()) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        std::memcpy(&v4.sin_addr, bytes.data(), sizeof v4.sin_addr);
        address.size = sizeof v4;
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        std::memcpy(&v6.sin6_addr, bytes.data(), sizeof v6.sin6_addr);
        address.size = sizeof v6;
    }
    return address;
}

std::uint16_t port_of(int socket) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size);
    return ntohs(storage.ss_family == AF_INET6
                     ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                     : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

}  // namespace

std::expected<ListeningSocket, std::string> ListeningSocket::open(const UnixAddress& address,
                                                                  std::string_view setting) {
    const auto& path = address.path;
    const auto bound_to = address_of(path);
    if (!bound_to) return problem(setting, "the path must have 1 to 107 bytes: " + path);
    if (auto cleared = clear_stale_socket(path, *bound_to, setting); !cleared)
        return std::unexpected(std::move(cleared).error());
    ListeningSocket socket(::socket(AF_UNIX, stream, 0), setting);
    if (socket.fd_ < 0) return problem(setting, reason_of(errno));
    if (::bind(socket.fd_, generic(*bound_to), sizeof *bound_to) != 0)
        return problem(setting, bind_problem(path, errno));
    socket.path_ = path;
    // No client can connect before listen(), so none gets in before the mode is right.
    if (auto done = set_access(address, setting); !done)
        return std::unexpected(std::move(done).error());
    if (::listen(socket.fd_, backlog) != 0) return problem(setting, path + ": " + reason_of(errno));
    return socket;
}

std::expected<ListeningSocket, std::string> ListeningSocket::open(const Endpoint& address,
                                                                  std::string_view setting) {
    const auto bound_to = tcp_address_of(address);
    const auto failed = [&](const char* what) {
        return problem(setting, "cannot " + std::string(what) + ' ' + to_string(address) + ": " +
                                    reason_of(errno));
    };
    ListeningSocket socket(::socket(bound_to.storage.ss_family, stream, 0), setting);
    if (socket.fd_ < 0) return failed("make a socket for");
    const int on = 1;
    ::setsockopt(socket.fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto* const generic_address = reinterpret_cast<const sockaddr*>(&bound_to.storage);
    if (::bind(socket.fd_, generic_address, bound_to.size) != 0 ||
        ::listen(socket.fd_, backlog) != 0) {
        return failed("listen on");
    }
    socket.port_ = port_of(socket.fd_);
    return socket;
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      setting_(std::move(other.setting_)),
      path_(std::exchange(other.path_, {})),
      port_(other.port_) {}

ListeningSocket::~ListeningSocket() {
    if (fd_ >= 0) ::close(fd_);
    remove_file();
}

int ListeningSocket::release() { return std::exchange(fd_, -1); }

void ListeningSocket::remove_file() {
    if (!path_.empty()) ::unlink(path_.c_str());
    path_.clear();
}

}  // namespace mta::http
