#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "mta/base/time.h"
#include "mta/smtp/server/server_options.h"

namespace mta::smtp {

// A session without mail ends after so many times the timeout of a command: 421 4.4.2.
inline constexpr std::int64_t silent_commands_max = 6;
// The timeout of a command while connections are scarce, as Postfix has it under stress.
inline constexpr Millis stress_timeout{10'000};

// Knows how long a session waits for its client, and what for.
//
//   await_command()  a whole command line must come within command_timeout, and mail within six
//                    times as long since the last end_silence()
//   await_data()     a byte must come within data_timeout, and data_rate_bytes_min in each minute
//   stop()           nothing is awaited from the client: this relay has to act
//   suspend()        the same while a decision is made; resume() gives the client the time back
class SessionClock {
public:
    // `options` must outlive the clock.
    explicit SessionClock(const ServerOptions& options) : options_(options) {}

    void await_command(Instant now);
    void await_data(Instant now);
    void stop() { awaited_ = Awaited::nothing; }
    void suspend(Instant now);
    void resume(Instant now);

    // Mail has come, or a sign of it.
    void end_silence(Instant now) { silent_since_ = now; }
    [[nodiscard]] Instant silent_since() const { return silent_since_; }
    void count_data(Instant now, std::size_t bytes);
    // While connections are scarce, a command has to come within `stress_timeout`.
    void set_stressed(Instant now, bool is_stressed);

    // May be earlier than needed: bytes do not move it, expire() does.
    [[nodiscard]] std::optional<Instant> deadline() const;
    // Says what has not come in time; no value if there is still time.
    [[nodiscard]] std::optional<std::string_view> expire(Instant now);

private:
    enum class Awaited : std::uint8_t { nothing, command, data };
    [[nodiscard]] Millis command_timeout() const;
    [[nodiscard]] Instant end_of_silence() const;
    void set_data_deadline();

    const ServerOptions& options_;
    Awaited awaited_ = Awaited::nothing;
    bool is_stressed_ = false;
    Instant deadline_;      // means nothing while nothing is awaited
    Instant silent_since_;  // the connection, a message, the first MAIL after it
    Instant suspended_at_;
    Instant last_byte_;
    Instant rate_window_start_;
    std::uint64_t rate_window_bytes_ = 0;
};

}  // namespace mta::smtp
