#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dns/resolver.h"
#include "mta/base/ip_address.h"
#include "tests/outbound/agenda.h"

namespace world {

// A DNS of a few names. An answer takes `delay`.
class FakeResolver final : public dns::Resolver {
public:
    explicit FakeResolver(Agenda& agenda) : agenda_(agenda) {}

    void look_up_mx(const std::string& domain, dns::Freshness freshness, OnMx on_answer) override {
        asked.push_back(domain + " MX");
        wanted.push_back(freshness);
        if (on_ask) on_ask(domain);
        agenda_.later(delay, [this, domain, done = std::move(on_answer)]() mutable {
            const auto found = mx.find(domain);
            done(found == mx.end() ? error("no such domain", Kind::no_such_domain) : found->second);
        });
    }
    void look_up_addresses(const std::string& host, dns::HostOf of, dns::Freshness freshness,
                           OnAddresses on_answer) override {
        asked.push_back(host + " A");
        if (on_ask) on_ask(host);
        asked_of.push_back(of);
        wanted.push_back(freshness);
        agenda_.later(host_delay.value_or(delay),
                      [this, host, done = std::move(on_answer)]() mutable {
                          const auto found = hosts.find(host);
                          if (found == hosts.end()) {
                              return done(std::unexpected(
                                  dns::LookupError{Kind::no_such_domain, host + ": NXDOMAIN"}));
                          }
                          done(found->second);
                      });
    }

    using Kind = dns::LookupError::Kind;
    static dns::Lookup<dns::MxAnswer> error(std::string text, Kind kind) {
        return std::unexpected(dns::LookupError{kind, std::move(text)});
    }
    void set_mx(const std::string& domain, const std::vector<std::string>& exchanges) {
        dns::MxAnswer answer{{}, 1h};
        std::uint16_t preference = 0;
        for (const auto& exchange : exchanges)
            answer.records.push_back({preference += 10, exchange});
        mx[domain] = answer;
    }
    void set_host(const std::string& host, const std::vector<std::string>& addresses) {
        dns::AddressAnswer answer{{}, 1h};
        for (const auto& address : addresses)
            answer.addresses.push_back(*mta::IpAddress::parse(address));
        hosts[host] = answer;
    }

    std::map<std::string, dns::Lookup<dns::MxAnswer>> mx;
    std::map<std::string, dns::Lookup<dns::AddressAnswer>> hosts;
    std::vector<std::string> asked;
    std::vector<dns::Freshness> wanted;  // by each question in `asked`
    std::vector<dns::HostOf> asked_of;   // by each question about addresses
    std::function<void(const std::string& name)> on_ask;
    Millis delay{5};
    std::optional<Millis> host_delay;  // for the addresses of hosts, if it differs

private:
    Agenda& agenda_;
};

}  // namespace world
