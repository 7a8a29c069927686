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

// The answers that are still valid. It has no access to a network or a clock.
//
// How long is an answer kept?
//   records              the zone's TTL, at least ttl_min, at most records_ttl_max
//   NXDOMAIN, no data    the zone's negative TTL, at least ttl_min (which also applies without an
//                        SOA), at most negative_ttl_max
//   SERVFAIL, REFUSED,   failure_ttl (RFC 2308 section 7 allows up to 5 minutes): this protects a
//   timed out, malformed failing server, and ends before a message's next attempt
//   unreachable,         not at all: the cause is on this machine, and asking again costs nothing
//   overloaded
//
// Records and "no data" that took longer than slow_min to get are kept for at least
// slow_keep_factor times as long, whatever their TTL, but for no more than slow_ttl_max for this
// reason. An attempt does not hold a connection during a long look-up; it gets its turn later and
// must find the answer then. A TTL of 0 does not forbid this: it allows the use of an answer for
// the transaction in progress (RFC 1035 section 3.2.1), and that transaction is the attempt. "No
// data" is included because an attempt needs the answers for A and AAAA. NXDOMAIN is not, because
// it ends the attempt.
class Cache {
public:
    // A flood of mail for one name costs one question in this time, whatever the zone says.
    static constexpr mta::Millis ttl_min{5'000};
    // An hour: an administrator who moves a domain's servers waits for this relay no longer.
    static constexpr mta::Millis records_ttl_max{3'600'000};
    static constexpr mta::Millis failure_ttl{30'000};
    static constexpr mta::Millis slow_min{500};
    static constexpr std::int64_t slow_keep_factor = 60;
    static constexpr mta::Millis slow_ttl_max{5 * 60'000};

    // At `entries_max`, the answer that has not been used for the longest time makes room.
    explicit Cache(std::size_t entries_max = mta::limits::dns_cache_entries_max);

    struct Hit {
        std::shared_ptr<const Answer> answer;
        mta::Millis remaining;  // how long it may still be kept
    };
    // Empty if there is no answer or if it is too old.
    [[nodiscard]] std::optional<Hit> find(const Question& question, mta::Instant now);
    // Replaces the answer to this question. The question took `took` to be answered. Returns how
    // long the answer is kept, as keep_for() does.
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

// How long `answer` may be kept, by the table above. Zero if it may not be kept at all.
[[nodiscard]] mta::Millis keep_for(const Answer& answer, mta::Millis took = {});

}  // namespace dns
