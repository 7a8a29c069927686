// How long a session waits, and what for.
#include <algorithm>

#include "mta/base/assert.h"
#include "mta/smtp/server/server_session.h"

namespace mta::smtp {
namespace {

constexpr Millis rate_window{60'000};

}  // namespace

void ServerSession::on_deadline(Instant now) {
    if (!deadline_ || now < *deadline_) return;
    const auto time_out = [&](std::string_view what) {
        end_with(
            {421, {4, 4, 2}, options_.hostname + " closes the connection: " + std::string(what)},
            EndReason::timed_out, what);
    };
    if (state_ == State::command) {
        return time_out(now < end_of_silence() ? "no command came in time"
                                               : "no mail came for too long");
    }
    if (now >= last_byte_ + options_.data_timeout) return time_out("the message stopped coming");
    if (options_.data_rate_bytes_min > 0 && now >= rate_window_start_ + rate_window) {
        const auto least = options_.data_rate_bytes_min * std::uint64_t{60};
        if (rate_window_bytes_ < least) return time_out("the message comes too slowly");
        rate_window_start_ = now;
        rate_window_bytes_ = 0;
    }
    set_data_deadline();
}

Millis ServerSession::command_timeout() const {
    return is_stressed_ ? std::min(options_.command_timeout, stress_timeout)
                        : options_.command_timeout;
}

Instant ServerSession::end_of_silence() const {
    return silent_since_ + command_timeout() * silent_commands_max;
}

void ServerSession::end_silence(Instant now) { silent_since_ = now; }

void ServerSession::start_data_clock(Instant now) {
    last_byte_ = now;
    rate_window_start_ = now;
    rate_window_bytes_ = 0;
    set_data_deadline();
}

// May be earlier than needed: bytes do not move it, on_deadline() does.
void ServerSession::set_data_deadline() {
    deadline_ = last_byte_ + options_.data_timeout;
    if (options_.data_rate_bytes_min > 0) {
        deadline_ = std::min(*deadline_, rate_window_start_ + rate_window);
    }
}

void ServerSession::on_data_bytes(Instant now, std::size_t count) {
    last_byte_ = now;
    rate_window_bytes_ += count;
}

void ServerSession::set_stressed(Instant now, bool is_stressed) {
    is_stressed_ = is_stressed;
    if (state_ == State::command && deadline_) {
        deadline_ = std::min(*deadline_, now + command_timeout());
    }
}

std::optional<Instant> ServerSession::idle_since() const {
    if (state_ != State::command || transaction_ || chunk_) return std::nullopt;
    return silent_since_;
}

void ServerSession::make_room(Instant /*now*/) {
    MTA_ASSERT(idle_since());
    end_with({421,
              {4, 3, 2},
              options_.hostname + " needs this idle connection for another client, please connect "
                                  "again when there is mail"},
             EndReason::made_room, {});
}

}  // namespace mta::smtp
