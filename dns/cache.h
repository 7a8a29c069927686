#pragma once
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

#include "dns/answer.h"
#include "dns/question.h"
#include "mta/base/limits.h"
#include "mta/base/time.h"

namespace dns {

// Answers that are still true. Knows no network and no clock.
//
// How long is an answer kept?
//   records              the zone's TTL, at least ttl_min, at most records_ttl_max
//   NXDOMAIN, no data    the zone's negative TTL, at least ttl_min (without an SOA: that), at most
//                        negative_ttl_max
//   SERVFAIL, REFUSED,   failure_ttl (RFC 2308 section 7 allows up to 5 minutes): spares a server
//   timed out, malformed in trouble, and is over before a message's next attempt
//   unreachable,         not at all: these are our own troubles, and asking again costs nothing
//   overloaded
class Cache {
public:
    // Whatever a zone says, a flood of mail for one name costs one question in this time.
    static constexpr mta::Millis ttl_min{5'000};
    // An hour, so that nobody who moves his servers waits for us longer than that.
    static constexpr mta::Millis records_ttl_max{3'600'000};
    static constexpr mta::Millis failure_ttl{30'000};

    // At `entries_max` the answer that was not asked for the longest makes room.
    explicit Cache(std::size_t entries_max = mta::limits::dns_cache_entries_max);

    struct Hit {
        std::shared_ptr<const Answer> answer;
        mta::Millis remaining;  // of the time that it may be kept
    };
    // Nothing if there is none or it is too old.
    [[nodiscard]] std::optional<Hit> find(const Question& question, mta::Instant now);
    // Replaces what was there.
    void put(const Question& question, std::shared_ptr<const Answer> answer, mta::Instant now);
    void clear();
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        Question question;
        std::shared_ptr<const Answer> answer;
        mta::Instant expires;
    };
    using Entries = std::list<Entry>;  // most recently used first

    void erase(Entries::iterator entry);

    std::size_t entries_max_;
    Entries entries_;
    std::unordered_map<Question, Entries::iterator> by_question_;
};

// How long `answer` may be kept, by the table above; zero: not at all.
[[nodiscard]] mta::Millis keep_for(const Answer& answer);

}  // namespace dns
