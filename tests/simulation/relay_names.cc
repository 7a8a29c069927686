// Domains whose name servers make errors.
#include <gtest/gtest.h>

#include "tests/simulation/relay_rules.h"
#include "tests/simulation/relay_world.h"

namespace simulation {

void RelayWorld::make_wire_names() {
    // Broken records beside good ones. Of three hosts, one does not exist.
    names_["records.example"] = {
        .exchanges = {"mx0.records.example", "mx1.records.example", "mx2.records.example"},
        .addresses = {},
        .has_broken_mx = true};
    names_["mx1.records.example"] = {
        .exchanges = {}, .addresses = {"192.0.2.130"}, .has_broken_addresses = true};
    names_["mx2.records.example"] = {
        .exchanges = {}, .addresses = {"192.0.2.131"}, .has_broken_addresses = true};
    for (const auto* address : {"192.0.2.130", "192.0.2.131"})
        add_server("records.example", address);
    // Several CNAMEs, each of which is alone in its answer.
    names_["alias.example"].alias = "second.alias.example";
    names_["second.alias.example"].alias = "third.alias.example";
    names_["third.alias.example"].exchanges = {"mx1.alias.example"};
    names_["mx1.alias.example"].alias = "host.alias.example";
    names_["host.alias.example"].addresses = {"192.0.2.132"};
    add_server("alias.example", "192.0.2.132");
    // Without an MX record, the domain is its own host.
    names_["bare.example"].addresses = {"192.0.2.133"};
    add_server("bare.example", "192.0.2.133");
    // With only broken MX records, the hosts are unknown, and the domain's own address is none.
    names_["rubbish.example"] = {
        .exchanges = {}, .addresses = {"192.0.2.134"}, .has_broken_mx = true};
    add_server("rubbish.example", "192.0.2.134");
    names_["outage.example"].exchanges = {"mx1.outage.example"};
    names_["mx1.outage.example"].addresses = {"192.0.2.135"};
    add_server("outage.example", "192.0.2.135");
    agenda_.later(pick_time(mail_comes_for), [this] { begin_outage(); });
}

// The name servers of the domain or of its host fail in one way or another, and are repaired.
void RelayWorld::begin_outage() {
    const auto name = chance(70) ? "outage.example" : "mx1.outage.example";
    const auto sound = names_[name];
    const unsigned rcodes[] = {2, 4, 5, 9};  // SERVFAIL, NOTIMP, REFUSED, NOTAUTH
    auto& failing = names_[name];
    chance(30) ? failing.is_silent = true : (failing.rcode = rcodes[pick(4)]) != 0;
    agenda_.later(pick_time(outage_max), [this, name, sound] { names_[name] = sound; });
}

// True if the domain has a working host beside what else its name servers say.
bool RelayWorld::has_good_records(const std::string& domain) {
    return domain == "records.example" || domain == "alias.example" || domain == "bare.example" ||
           domain == "outage.example";
}

}  // namespace simulation
