// The part of the simulation's DNS that goes through bytes: name servers that answer with valid and
// broken DNS messages, and in front of them the relay's own parser, cache and lines of questions.
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
#include "mta/base/pending.h"
#include "tests/dns/message_builder.h"
#include "tests/outbound/world.h"

namespace simulation {

using mta::Instant;

// What the name servers answer about one name, for all types.
struct WireName {
    std::vector<std::string> exchanges;
    std::vector<std::string> addresses;
    std::string alias = {};      // a CNAME whose target is not in the answer
    bool has_broken_mx = false;  // broken records come beside the good ones
    bool has_broken_addresses = false;
    bool is_silent = false;
    unsigned rcode = 0;  // if not 0, it comes in place of records
};
using WireNames = std::map<std::string, WireName>;

// The DNS as one process of the relay sees it. Names that are not in `names` are looked up with
// `others`, or do not exist.
//
// It checks that the relay does not ask for a name again and again: between two answers to the same
// question lies at least the shortest time for which an answer is kept, whatever the answer says.
class WireDns final : public dns::Resolver {
public:
    // `names` may change at any time.
    WireDns(world::Agenda& agenda, const WireNames& names, std::uint64_t seed,
            dns::Resolver* others = nullptr);

    void look_up_mx(const std::string& domain, dns::Freshness freshness, OnMx on_answer) override;
    void look_up_addresses(const std::string& host, dns::HostOf of, dns::Freshness freshness,
                           OnAddresses on_answer) override;

    std::function<void(const std::string& name)> on_ask;  // called for each look-up
    [[nodiscard]] const dns::CachingResolver::Statistics& statistics() const {
        return resolver_.statistics();
    }

private:
    struct Last {
        Instant when;
        bool is_answered = true;  // if not, the server was silent, and may be asked again
    };
    using Builder = dns::test::MessageBuilder;

    [[nodiscard]] bool is_known(const std::string& name, dns::Freshness freshness);
    void ask(const dns::Question& question, dns::Effort effort,
             dns::CachingResolver::OnAnswer on_answer);
    void check_pause(const dns::Question& question, bool is_answered);
    // Empty if the server is silent.
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
    Instant ordered_;       // when a look-up last asked for fresh answers
    mta::Pending pending_;  // guards the answers under way
};

}  // namespace simulation
