#include "mta/smtp/server/session_clock.h"

#include <algorithm>

namespace mta::smtp {
namespace {

constexpr Millis rate_window{60'000};

}  // namespace

void SessionClock::await_command(Instant now) {
    awaited_ = Awaited::command;
    deadline_ = std::min(now + command_timeout(), end_of_silence());
}

void SessionClock::await_data(Instant now) {
    awaited_ = Awaited::data;
    last_byte_ = now;
    rate_window_start_ = now;
    rate_window_bytes_ = 0;
    set_data_deadline();
}

void SessionClock::suspend(Instant now) {
    stop();
    suspended_at_ = now;
}

void SessionClock::resume(Instant now) { silent_since_ += now - suspended_at_; }

void SessionClock::count_data(Instant now, std::size_t bytes) {
    last_byte_ = now;
    rate_window_bytes_ += bytes;
}

void SessionClock::set_stressed(Instant now, bool is_stressed) {
    is_stressed_ = is_stressed;
    if (awaited_ == Awaited::command) deadline_ = std::min(deadline_, now + command_timeout());
}

std::optional<Instant> SessionClock::deadline() const {
    if (awaited_ == Awaited::nothing) return std::nullopt;
    return deadline_;
}

std::optional<std::string_view> SessionClock::expire(Instant now) {
    if (awaited_ == Awaited::nothing || now < deadline_) return std::nullopt;
    if (awaited_ == Awaited::command) {
        return now < end_of_silence() ? "no command came in time" : "no mail came for too long";
    }
    if (now >= last_byte_ + options_.data_timeout) return "the message stopped coming";
    if (options_.data_rate_bytes_min > 0 && now >= rate_window_start_ + rate_window) {
        const auto least = options_.data_rate_bytes_min * std::uint64_t{60};
        if (rate_window_bytes_ < least) return "the message comes too slowly";
        rate_window_start_ = now;
        rate_window_bytes_ = 0;
    }
    set_data_deadline();
    return std::nullopt;
}

Millis SessionClock::command_timeout() const {
    return is_stressed_ ? std::min(options_.command_timeout, stress_timeout)
                        : options_.command_timeout;
}

Instant SessionClock::end_of_silence() const {
    return silent_since_ + command_timeout() * silent_commands_max;
}

void SessionClock::set_data_deadline() {
    deadline_ = last_byte_ + options_.data_timeout;
    if (options_.data_rate_bytes_min > 0)
        deadline_ = std::min(deadline_, rate_window_start_ + rate_window);
}

}  // namespace mta::smtp
