#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "mta/base/ip_address.h"
#include "mta/events/dispatcher.h"
#include "mta/io/clock.h"
#include "mta/io/timer.h"

namespace mta::inbound {

// Reports the connections that were refused before a session began: at most one event a second,
// with counts.
class RefusalLog {
public:
    enum class Cause : std::uint8_t { too_many, from_address, from_network };

    // All must outlive the log.
    RefusalLog(io::Loop& loop, const io::Clock& clock, const events::Dispatcher& events);

    void add(Cause cause, const IpAddress& client);

private:
    static constexpr std::size_t causes = 3;
    void write();

    const io::Clock& clock_;
    const events::Dispatcher& events_;
    std::array<std::uint64_t, causes> counts_{};
    IpAddress last_client_;
    io::Timer timer_;
};

}  // namespace mta::inbound
