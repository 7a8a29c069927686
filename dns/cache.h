#pragma once
#include <cstddef>
#include <cstdint>
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
//
// Records and "no data" that took longer than slow_min to get are kept for slow_keep_factor times
// as long at least, but not more than slow_ttl_max because of that, whatever their TTL. An attempt
// does not hold a connection during a long look-up; it gets its turn later, and has to find the
// answer then. A TTL of 0 does not forbid this: it allows the use of an answer for the transaction
// in progress (RFC 1035 section 3.2.1), and that transaction is the attempt. "No data" is included
// because an attempt needs the answers for A and AAAA; NXDOMAIN is not, because it ends the
// attempt.
class Cache {
public:
    // Whatever a zone says, a flood of mail for one name costs one question in this time.
    static constexpr mta::Millis ttl_min{5'000};
    // An hour, so that nobody who moves his servers waits for us longer than that.
    static constexpr mta::Millis records_ttl_max{3'600'000};
    static constexpr mta::Millis failure_ttl{30'000};
    static constexpr mta::Millis slow_min{500};
    static constexpr std::int64_t slow_keep_factor = 60;
    static constexpr mta::Millis slow_ttl_max{5 * 60'000};

    // At `entries_max` the answer that was not asked for the longest makes room.
    explicit Cache(std::size_t entries_max = mta::limits::dns_cache_entries_max);

    struct Hit {
        std::shared_ptr<const Answer> answer;
        mta::Millis remaining;  // of the time that it may be kept
    };
    // Nothing if there is none or it is too old.
    [[nodiscard]] std::optional<Hit> find(const Question& question, mta::Instant now);
    // Replaces what was there. `took`: how long the answer was waited for. Returns how long it is
    // kept, as keep_for() does.
    mta::Millis put(const Question& question, std::shared_ptr<const Answer> answer,
                    mta::Instant now, mta::Millis took = {});
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
[[nodiscard]] mta::Millis keep_for(const Answer& answer, mta::Millis took = {});

}  // namespace dns
