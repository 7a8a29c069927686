#include "mta/cli/check.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "conf/advice.h"
#include "conf/loader.h"
#include "mta/base/time_format.h"

namespace mta::cli {
namespace {

std::string as_json(const std::vector<conf::Problem>& problems,
                    const std::vector<std::string>& advice) {
    nlohmann::json listed = nlohmann::json::array();
    for (const auto& problem : problems) {
        listed.push_back({{"file", problem.file},
                          {"line", problem.line},
                          {"column", problem.column},
                          {"key", problem.key},
                          {"what", problem.what}});
    }
    const nlohmann::json answer = {
        {"fine", problems.empty()}, {"problems", listed}, {"advice", advice}};
    // A file name may be no UTF-8.
    return answer.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
    return text.empty() ? "none" : text;
}

std::string shown(const conf::NextHopHost& host) {
    const bool is_v6 = host.host.find(':') != host.host.npos;
    return (is_v6 ? '[' + host.host + ']' : host.host) + ':' + std::to_string(host.port);
}

std::string shown(const conf::Route& route) {
    std::vector<std::string> hosts;
    for (const auto& host : route.hosts) hosts.push_back(shown(host));
    auto text = route.domain + " through " + joined(hosts);
    if (route.lifetime) text += ", for " + format_duration(*route.lifetime);
    return text;
}

bool has_route_for_all(const conf::Settings& settings) {
    for (const auto& route : settings.routes) {
        if (route.domain == "*") return true;
    }
    return false;
}

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

}  // namespace

std::string summary(const conf::Settings& settings) {
    std::vector<std::string> listeners;
    for (const auto& listener : settings.listeners) {
        listeners.push_back(to_string(listener.address));
    }
    std::vector<std::string> networks;
    for (const auto& network : settings.relay.networks) networks.push_back(network.to_string());
    std::string text;
    text += "  name          " + settings.hostname + '\n';
    text += "  listens on    " + joined(listeners) + '\n';
    text += "  may send      to anybody: " + joined(networks) + '\n';
    text += "                anybody to: " + joined(settings.relay.domains) + '\n';
    for (const auto& route : settings.routes) text += "  route         " + shown(route) + '\n';
    if (!has_route_for_all(settings)) {
        text += settings.routes.empty() ? "  route         all mail by MX\n"
                                        : "  route         the rest by MX\n";
    }
    text += "  gives up      after " + format_duration(settings.retry.lifetime) + '\n';
    text += "  spool         " + settings.spool.path + '\n';
    text += "  admin socket  " + settings.admin.socket + '\n';
    return text;
}

CommandOutput check(const Invocation& invocation) {
    const auto settings = conf::load(invocation.config_path);
    if (!settings) {
        const auto& problems = settings.error();
        if (invocation.json) return {exit_failed, as_json(problems, {}), ""};
        return {exit_failed, "",
                conf::to_string(problems) + counted(problems.size(), "mistake") + '\n'};
    }
    const auto advice = conf::advice(*settings);
    if (invocation.json) return {exit_fine, as_json({}, advice), ""};
    CommandOutput output{exit_fine, "configuration fine: " + invocation.config_path + '\n', ""};
    output.out += summary(*settings);
    for (const auto& sentence : advice) output.err += "warning: " + sentence + '\n';
    return output;
}

}  // namespace mta::cli
