#include "dns/cache.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace dns {

Cache::Cache(std::size_t entries_max) : entries_max_(entries_max) { MTA_ASSERT(entries_max > 0); }

std::optional<Cache::Hit> Cache::find(const Question& question, mta::Instant now) {
    const auto found = by_question_.find(question);
    if (found == by_question_.end()) return std::nullopt;
    const auto entry = found->second;
    if (entry->expires <= now) {
        erase(entry);
        return std::nullopt;
    }
    entries_.splice(entries_.begin(), entries_, entry);
    return Hit{entry->answer, entry->expires - now};
}

mta::Millis Cache::put(const Question& question, std::shared_ptr<const Answer> answer,
                       mta::Instant now, mta::Millis took) {
    if (const auto old = by_question_.find(question); old != by_question_.end()) {
        erase(old->second);
    }
    const auto ttl = keep_for(*answer, took);
    if (ttl <= mta::Millis{0}) return ttl;
    if (entries_.size() >= entries_max_) erase(std::prev(entries_.end()));
    entries_.push_front({question, std::move(answer), now + ttl});
    by_question_.emplace(question, entries_.begin());
    return ttl;
}

void Cache::clear() {
    by_question_.clear();
    entries_.clear();
}

void Cache::erase(Entries::iterator entry) {
    by_question_.erase(entry->question);
    entries_.erase(entry);
}

mta::Millis keep_for(const Answer& answer, mta::Millis took) {
    const auto least = took > Cache::slow_min
                           ? std::min(took, Cache::slow_ttl_max / Cache::slow_keep_factor) *
                                 Cache::slow_keep_factor
                           : Cache::ttl_min;
    if (answer.records) return std::clamp(answer.ttl, least, Cache::records_ttl_max);
    switch (answer.records.error().kind) {
        case LookupError::Kind::no_data: return std::clamp(answer.ttl, least, negative_ttl_max);
        case LookupError::Kind::no_such_domain:
            return std::clamp(answer.ttl, Cache::ttl_min, negative_ttl_max);
        case LookupError::Kind::server_failure:
        case LookupError::Kind::refused:
        case LookupError::Kind::timed_out:
        case LookupError::Kind::malformed: return Cache::failure_ttl;
        case LookupError::Kind::unreachable:
        case LookupError::Kind::overloaded: return mta::Millis{0};
    }
    return mta::Millis{0};
}

}  // namespace dns
