#include "tests/simulation/wire_dns.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "dns/answer.h"
#include "dns/cache.h"

namespace simulation {
namespace {

using namespace std::chrono_literals;
using dns::RecordType;
using dns::test::MessageBuilder;
using dns::test::Section;
using dns::test::wire_name;
using mta::Millis;

constexpr Millis brief_timeout = 500ms;
constexpr Millis full_timeout = 4s;  // two tries of CaresOptions::timeout

std::string mx_data(std::string_view exchange) {
    std::string data;
    dns::test::put_u16(data, 10);
    return data.append(exchange);
}

std::string long_name() {
    std::string name;
    for (int labels = 0; labels < 5; ++labels) name += '\x3f' + std::string(63, 'x');
    return name + '\0';
}

}  // namespace

WireDns::WireDns(world::Agenda& agenda, const WireNames& names, std::uint64_t seed,
                 dns::Resolver* others)
    : agenda_(agenda),
      names_(names),
      rng_(seed),
      others_(others),
      resolver_({.ask =
                     [this](const dns::Question& question, dns::Effort effort, auto on_answer,
                            const auto& /* on_cut_short: nothing is cut */) {
                         ask(question, effort, std::move(on_answer));
                     },
                 .now = [this] { return agenda_.now(); },
                 .defer =
                     [this](auto work) {
                         agenda_.later(0ms, [work = std::move(work)]() mutable { work(); });
                     }}) {}

bool WireDns::is_known(const std::string& name, dns::Freshness freshness) {
    EXPECT_FALSE(name.contains("trap")) << "it is named in a broken record";
    if (others_ != nullptr && !names_.contains(name)) return false;
    if (on_ask) on_ask(name);
    if (freshness == dns::Freshness::ordered) ordered_ = agenda_.now();
    return true;
}

void WireDns::look_up_mx(const std::string& domain, dns::Freshness freshness, OnMx on_answer) {
    auto& resolver = is_known(domain, freshness) ? resolver_ : *others_;
    resolver.look_up_mx(domain, freshness, std::move(on_answer));
}

void WireDns::look_up_addresses(const std::string& host, dns::HostOf of, dns::Freshness freshness,
                                OnAddresses on_answer) {
    auto& resolver = is_known(host, freshness) ? resolver_ : *others_;
    resolver.look_up_addresses(host, of, freshness, std::move(on_answer));
}

void WireDns::ask(const dns::Question& question, dns::Effort effort,
                  dns::CachingResolver::OnAnswer on_answer) {
    auto bytes = answer(question);
    check_pause(question, bytes.has_value());
    const auto silence = effort == dns::Effort::brief ? brief_timeout : full_timeout;
    const auto takes = bytes ? Millis{1 + static_cast<std::int64_t>(pick(40))} : silence;
    agenda_.later(takes, pending_.guard([question, bytes = std::move(bytes),
                                         done = std::move(on_answer)]() mutable {
        if (bytes) return done(dns::parse_answer(*bytes, question, "192.0.2.53:53"));
        done({std::unexpected(
                  dns::LookupError{dns::LookupError::Kind::timed_out,
                                   "no answer from 192.0.2.53:53 for " + to_string(question)}),
              {}});
    }));
}

void WireDns::check_pause(const dns::Question& question, bool is_answered) {
    const auto [last, is_new] = last_asked_.try_emplace(question);
    const auto former = std::exchange(last->second, {agenda_.now(), is_answered});
    if (is_new || !former.is_answered || agenda_.now() - ordered_ <= 1min) return;
    EXPECT_GE(agenda_.now() - former.when, std::min(dns::Cache::ttl_min, dns::retry_pause))
        << "a storm of questions for " << to_string(question);
}

std::optional<std::string> WireDns::answer(const dns::Question& question) {
    Builder answer(question);
    const auto found = names_.find(question.name);
    if (found == names_.end()) {
        deny(answer.rcode(3), question);
        return answer.build();
    }
    const auto& name = found->second;
    if (name.is_silent) return std::nullopt;
    if (name.rcode != 0) return answer.rcode(name.rcode).build();
    if (!name.alias.empty()) {
        return answer.cname(question.name, name.alias, pick_ttl()).build();
    }
    std::vector<std::function<void()>> records;
    if (question.type == RecordType::mx) {
        for (unsigned i = 0; i < name.exchanges.size(); ++i)
            records.emplace_back(
                [&, i] { answer.mx(question.name, 10 * (i + 1), name.exchanges[i], pick_ttl()); });
    }
    for (const auto& address : name.addresses)
        if ((question.type == RecordType::aaaa && address.contains(':')) ||
            (question.type == RecordType::a && !address.contains(':')))
            records.emplace_back([&] { answer.address(question.name, address, pick_ttl()); });
    const bool has_broken =
        question.type == RecordType::mx ? name.has_broken_mx : name.has_broken_addresses;
    for (auto broken = has_broken ? 1 + pick(3) : 0; broken > 0; --broken)
        records.emplace_back([&] { add_broken_record(answer, question); });
    if (records.empty()) {
        deny(answer, question);
        return answer.build();
    }
    std::ranges::shuffle(records, rng_);
    for (const auto& add : records) add();
    // The message ends inside a record.
    if (has_broken && pick(5) == 0)
        answer.more(Section::answer, 1).raw(wire_name(question.name) + "ab");
    return answer.build();
}

void WireDns::add_broken_record(Builder& answer, const dns::Question& question) {
    const auto type = static_cast<unsigned>(question.type);
    const bool is_mx = question.type == RecordType::mx;
    const auto owner = wire_name(question.name);
    const auto good = is_mx ? mx_data(wire_name("mx.trap.example"))
                            : std::string(question.type == RecordType::a ? 4 : 16, '\x0a');
    const auto add = [&](const std::string& of, const std::string& data) {
        answer.record(Section::answer, of, type, pick_ttl(), data);
    };
    switch (pick(is_mx ? 8 : 4)) {
        case 0: return add(owner, good.substr(0, pick(4)));
        case 1: return add(owner, good + "xy");
        case 2: return add("\xff\xfe", good);  // a pointer forwards
        case 3: return add(long_name(), good);
        case 4: return add(owner, mx_data("\xff\xfe"));
        case 5: return add(owner, mx_data(long_name()));
        case 6: return add(owner, mx_data("\x40xyz"));  // an unknown type of label
        default: return add(owner, mx_data(wire_name("no host.example")));
    }
}

// Makes the answer a negative one: without an SOA record, or with one of a short, a long or no
// valid TTL.
void WireDns::deny(Builder& answer, const dns::Question& question) {
    switch (pick(4)) {
        case 0: return;
        case 1: answer.soa(question.name, 0, 0); return;
        case 2: answer.soa(question.name, 0x80000000u, 0xffffffffu); return;
        default: answer.soa("example", 300, 60); return;
    }
}

std::uint32_t WireDns::pick_ttl() {
    const std::uint32_t ttls[] = {0, 1, 300, 86'400, 0x7fffffff, 0x80000000u, 0xffffffffu};
    return ttls[pick(std::size(ttls))];
}

}  // namespace simulation
