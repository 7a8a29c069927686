#include "mta/daemon/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

namespace mta::daemon {
namespace {

constexpr std::uint64_t reserve_max = 512;
constexpr std::uint64_t reserve_min = 24;

void lower(std::uint32_t& setting, std::uint64_t limit, const char* key,
           std::vector<std::string>& sentences) {
    if (setting <= limit) return;
    sentences.push_back(std::string(key) + " = " + std::to_string(setting) +
                        " is more than the open files that this process may have leave room for: " +
                        std::to_string(limit) + " it is; raise LimitNOFILE= or ulimit -n for more");
    setting = static_cast<std::uint32_t>(limit);
}

}  // namespace

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    const auto before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

std::uint32_t lingering_max(std::uint64_t descriptors) {
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(descriptors / 16, 4, 1024));
}

std::vector<std::string> fit_to_descriptors(conf::Settings& settings, std::uint64_t descriptors) {
    std::vector<std::string> sentences;
    auto& inbound = settings.inbound.connections_max;
    auto& outbound = settings.delivery.connections_max;
    const auto reserve = std::clamp(descriptors / 4, reserve_min, reserve_max);
    const auto others = reserve + lingering_max(descriptors);
    const auto for_connections = descriptors > others + 2 ? descriptors - others : 2;
    if (std::uint64_t{inbound} + outbound <= for_connections) return sentences;
    // What is delivered makes room for what comes: a third of them at least is the outgoing ones'.
    const auto for_outbound =
        std::min<std::uint64_t>(outbound, std::max<std::uint64_t>(for_connections / 3, 1));
    lower(outbound, for_outbound, "delivery.connections", sentences);
    lower(inbound, for_connections - for_outbound, "inbound.connections", sentences);
    return sentences;
}

}  // namespace mta::daemon
