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
    explicit FakeResolver(Agenda& agenda);
    ~FakeResolver() override;

    void look_up_mx(const std::string& domain, dns::Freshness freshness, OnMx on_answer) override;
    void look_up_addresses(const std::string& host, dns::HostOf of, dns::Freshness freshness,
                           OnAddresses on_answer) override;

    using Kind = dns::LookupError::Kind;
    static dns::Lookup<dns::MxAnswer> error(std::string text, Kind kind);
    void set_mx(const std::string& domain, const std::vector<std::string>& exchanges);
    void set_host(const std::string& host, const std::vector<std::string>& addresses);

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
