#pragma once
#include <string>
#include <string_view>

namespace mta::daemon {

// Reports the service's state to the service manager (sd_notify(3)): one datagram to the socket
// named in $NOTIFY_SOCKET. Without that variable it does nothing. Failures are of no consequence
// and ignored.
class ServiceNotifier {
public:
    ServiceNotifier();  // reads the environment
    explicit ServiceNotifier(std::string socket_path) : socket_path_(std::move(socket_path)) {}

    void ready(std::string_view status) const;     // "READY=1"
    void reloading() const;                        // "RELOADING=1" with the monotonic time
    void stopping(std::string_view status) const;  // "STOPPING=1"

private:
    void send(std::string_view message) const;
    std::string socket_path_;
};

}  // namespace mta::daemon
