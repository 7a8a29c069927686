// Property: any text gives either a configuration that keeps the promises of conf/settings.h, or a
// list of problems that can be printed: sorted, each on one line, each with a position in the text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "conf/advice.h"
#include "conf/loader.h"
#include "mta/base/assert.h"
#include "mta/base/domain.h"

namespace {

bool is_route_domain(std::string_view domain) {
    if (domain == "*") return true;
    if (domain.starts_with('.')) domain.remove_prefix(1);
    return mta::is_valid_domain(domain);
}

void check_settings(const conf::Settings& settings) {
    MTA_ASSERT(mta::is_valid_domain(settings.hostname));
    MTA_ASSERT(!settings.listeners.empty());
    for (const auto& listener : settings.listeners) {
        MTA_ASSERT(listener.address.port != 0);
        MTA_ASSERT(std::ranges::count(settings.listeners, listener) == 1);
    }
    for (const auto& domain : settings.relay.domains) {
        MTA_ASSERT(domain != "*" && is_route_domain(domain));
    }
    for (const auto& route : settings.routes) {
        MTA_ASSERT(is_route_domain(route.domain) && !route.hosts.empty());
        MTA_ASSERT(std::ranges::count(settings.routes, route.domain, &conf::Route::domain) == 1);
        for (const auto& host : route.hosts) {
            MTA_ASSERT(host.port != 0);
            MTA_ASSERT(mta::IpAddress::parse(host.host) || mta::is_valid_domain(host.host));
        }
    }
    MTA_ASSERT(!settings.retry.schedule.empty());
    for (const auto wait : settings.retry.schedule) MTA_ASSERT(wait > mta::Millis{0});
    MTA_ASSERT(std::ranges::is_sorted(settings.retry.delay_notices));
    MTA_ASSERT(settings.retry.jitter_percent <= 50);
    MTA_ASSERT(!settings.spool.path.empty());
    MTA_ASSERT(!settings.admin.socket.empty() && settings.admin.socket.size() < 108);
}

void check_problems(const std::vector<conf::Problem>& problems, std::string_view text) {
    MTA_ASSERT(!problems.empty());
    MTA_ASSERT(std::ranges::is_sorted(problems, {}, [](const conf::Problem& problem) {
        return std::pair(problem.line, problem.column);
    }));
    const auto lines = std::ranges::count(text, '\n') + 1;
    for (const auto& problem : problems) {
        MTA_ASSERT(problem.line >= 1 && problem.line <= lines && problem.column >= 1);
        MTA_ASSERT(!problem.what.empty() && problem.value.size() <= 400);
        const auto line = conf::to_string(problem);
        MTA_ASSERT(std::ranges::none_of(
            line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto settings = conf::parse(text, {"/etc/posthouse/posthouse.toml", "mail.example"});
    if (settings) {
        check_settings(*settings);
        static_cast<void>(conf::advice(*settings));
    } else {
        check_problems(settings.error(), text);
    }
    MTA_ASSERT(conf::parse(text, {"/etc/posthouse/posthouse.toml", "mail.example"}) == settings);
    return 0;
}
