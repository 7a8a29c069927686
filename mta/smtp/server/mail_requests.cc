#include "mta/smtp/server/mail_requests.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "mta/base/time_format.h"

namespace mta::smtp {
namespace {

// When the message may go (RFC 4865). A time that has passed is most probably a mistake, so it is
// refused.
std::expected<Instant, ServerReply> release_of(const MailArguments& arguments,
                                               const ServerOptions& options, Instant now) {
    Instant release{};
    if (arguments.hold_for_s) {
        release = now + std::chrono::seconds{*arguments.hold_for_s};
    } else if (arguments.hold_until) {
        release = *arguments.hold_until;
    } else {
        return release;
    }
    if (release <= now) {
        return std::unexpected(ServerReply{
            501, {5, 5, 4}, "that time has passed: it is " + format_rfc3339(now) + " here"});
    }
    if (release > now + options.future_release_max) {
        const auto seconds =
            std::chrono::floor<std::chrono::seconds>(options.future_release_max).count();
        return std::unexpected(
            ServerReply{501,
                        {5, 5, 4},
                        "mail is held here for at most " + std::to_string(seconds) + " seconds"});
    }
    return release;
}

}  // namespace

std::expected<Requests, ServerReply> requests_of(const MailArguments& arguments,
                                                 const ServerOptions& options,
                                                 const ClientRights& rights, Instant now) {
    Requests requests;
    const auto priority = arguments.priority.value_or(std::int8_t{0});
    requests.priority = rights.may_prioritise ? priority : std::min<std::int8_t>(priority, 0);
    const auto release = release_of(arguments, options, now);
    if (!release) return std::unexpected(release.error());
    requests.release = *release;
    if (!arguments.by) return requests;
    const auto& by = *arguments.by;
    // RFC 2852 section 3: a time that cannot be kept is refused now, not later.
    if (by.mode == ByMode::give_back && std::cmp_less(by.seconds, options.deliver_by_min_s)) {
        return std::unexpected(ServerReply{555,
                                           {5, 5, 4},
                                           "BY with R needs at least " +
                                               std::to_string(options.deliver_by_min_s) +
                                               " seconds here"});
    }
    // Mail that is held begins its way when it is released.
    requests.deliver_by = {.mode = by.mode,
                           .trace = by.trace,
                           .at = std::max(now, *release) + std::chrono::seconds{by.seconds}};
    return requests;
}

}  // namespace mta::smtp
