// The DNS of the simulation where it goes through bytes: name servers that answer with DNS
// messages, sound and broken ones, and the relay's own parser, cache and lines of questions in
// front of them.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "dns/caching_resolver.h"
#include "tests/dns/message_builder.h"
#include "tests/outbound/world.h"

namespace simulation {

using mta::Instant;

// What the name servers say about one name, whatever is asked.
struct WireName {
    std::vector<std::string> exchanges;
    std::vector<std::string> addresses;
    std::string alias = {};      // a CNAME, and not a word about its target
    bool has_broken_mx = false;  // broken records beside the good ones
    bool has_broken_addresses = false;
    bool is_silent = false;
    unsigned rcode = 0;  // instead of records
};
using WireNames = std::map<std::string, WireName>;

// One process's view of it. Names that are not in `names` are asked of `others`, or do not exist.
//
// It sees to it that no name is asked for again and again: between two answers to the same question
// there is the shortest time for which an answer is kept, whatever the name servers say.
class WireDns final : public dns::Resolver {
public:
    // `names` may change at any time.
    WireDns(world::Agenda& agenda, const WireNames& names, std::uint64_t seed,
            dns::Resolver* others = nullptr);

    void look_up_mx(const std::string& domain, dns::Freshness freshness, OnMx on_answer) override;
    void look_up_addresses(const std::string& host, dns::HostOf of, dns::Freshness freshness,
                           OnAddresses on_answer) override;

    std::function<void(const std::string& name)> on_ask;  // at each look-up
    [[nodiscard]] const dns::CachingResolver::Statistics& statistics() const {
        return resolver_.statistics();
    }

private:
    struct Last {
        Instant when;
        bool is_answered = true;  // nothing: it was silent, and may be asked again
    };
    using Builder = dns::test::MessageBuilder;

    [[nodiscard]] bool is_known(const std::string& name, dns::Freshness freshness);
    void ask(const dns::Question& question, dns::Effort effort,
             dns::CachingResolver::OnAnswer on_answer);
    void check_pause(const dns::Question& question, bool is_answered);
    // Nothing: silence.
    [[nodiscard]] std::optional<std::string> answer(const dns::Question& question);
    void add_broken_record(Builder& answer, const dns::Question& question);
    void deny(Builder& answer, const dns::Question& question);
    std::uint32_t pick_ttl();
    std::uint64_t pick(std::uint64_t n) { return rng_() % n; }

    world::Agenda& agenda_;
    const WireNames& names_;
    std::mt19937_64 rng_;
    dns::Resolver* others_;
    dns::CachingResolver resolver_;
    std::unordered_map<dns::Question, Last> last_asked_;
    Instant ordered_;  // somebody wanted to know it anew
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace simulation
