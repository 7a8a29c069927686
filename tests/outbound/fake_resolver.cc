#include "tests/outbound/fake_resolver.h"

#include <algorithm>
#include <utility>

namespace world {

FakeResolver::FakeResolver(Agenda& agenda) : agenda_(agenda) {}

FakeResolver::~FakeResolver() = default;

void FakeResolver::look_up_mx(const std::string& domain, dns::Freshness freshness, OnMx on_answer) {
    asked.push_back(domain + " MX");
    wanted.push_back(freshness);
    if (on_ask) on_ask(domain);
    agenda_.later(delay, [this, domain, done = std::move(on_answer)]() mutable {
        const auto found = mx.find(domain);
        done(found == mx.end() ? error("no such domain", Kind::no_such_domain) : found->second);
    });
}

void FakeResolver::look_up_addresses(const std::string& host, dns::HostOf of,
                                     dns::Freshness freshness, OnAddresses on_answer) {
    asked.push_back(host + " A");
    if (on_ask) on_ask(host);
    asked_of.push_back(of);
    wanted.push_back(freshness);
    agenda_.later(host_delay.value_or(delay), [this, host, done = std::move(on_answer)]() mutable {
        const auto found = hosts.find(host);
        if (found == hosts.end()) {
            return done(
                std::unexpected(dns::LookupError{Kind::no_such_domain, host + ": NXDOMAIN"}));
        }
        done(found->second);
    });
}

dns::Lookup<dns::MxAnswer> FakeResolver::error(std::string text, Kind kind) {
    return std::unexpected(dns::LookupError{kind, std::move(text)});
}

void FakeResolver::set_mx(const std::string& domain, const std::vector<std::string>& exchanges) {
    dns::MxAnswer answer{{}, 1h};
    std::uint16_t preference = 0;
    for (const auto& exchange : exchanges) answer.records.push_back({preference += 10, exchange});
    mx[domain] = answer;
}

void FakeResolver::set_host(const std::string& host, const std::vector<std::string>& addresses) {
    dns::AddressAnswer answer{{}, 1h};
    for (const auto& address : addresses)
        answer.addresses.push_back(*mta::IpAddress::parse(address));
    hosts[host] = answer;
}

}  // namespace world
