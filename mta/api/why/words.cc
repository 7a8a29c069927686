#include "mta/api/why/words.h"

#include <chrono>

#include "mta/base/printable.h"
#include "mta/base/time_format.h"

namespace mta::api {

using namespace std::chrono_literals;

std::string plural(std::uint64_t count, std::string_view noun) {
    return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

std::string words_of(const DeliveryError& error, const std::string& destination) {
    const auto remote = printable(error.remote);
    if (error.reply_code != 0) {
        return (remote.empty() ? destination : remote) + " said \"" + printable(reply_of(error)) +
               '"';
    }
    auto text = printable(error.text);
    if (text.ends_with('.')) text.pop_back();  // the sentence around it ends by itself
    return (remote.empty() ? "" : remote + ": ") + text;
}

std::string stamp_of(Instant time, Instant now) {
    const auto distance = time > now ? time - now : now - time;
    const auto text = format_rfc3339(time);  // 2026-11-22T04:05:06.789Z
    const auto clock = text.substr(11, 8);
    return distance < 24h ? clock : text.substr(0, 10) + ' ' + clock;
}

std::string when(Instant time, Instant now) {
    const auto distance = time > now ? time - now : now - time;
    const auto relative = distance < 1s ? std::string(time > now ? "at once" : "just now")
                          : time > now  ? "in " + format_duration(distance)
                                        : format_duration(distance) + " ago";
    return relative + " (" + stamp_of(time, now) + " UTC)";
}

std::string at_or_soon(const std::optional<Instant>& time, Instant now) {
    return time && *time > now ? when(*time, now) : std::string("at any moment");
}

std::string log_search(std::string_view text) {
    std::string pattern;
    for (const char c : printable(text)) {
        if (std::string_view("\\+*?()[]{}|^$").contains(c)) pattern += '\\';
        pattern += c == '\'' ? '.' : c;
    }
    return "journalctl -u posthouse -g '" + pattern + '\'';
}

}  // namespace mta::api
