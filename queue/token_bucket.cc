#include "queue/token_bucket.h"

#include <algorithm>

#include "mta/base/assert.h"

namespace queue {
namespace {

constexpr std::int64_t us_per_ms = 1000;

std::int64_t us_of(mta::Instant instant) { return mta::to_unix_ms(instant) * us_per_ms; }

mta::Instant instant_of(std::int64_t us) {
    return mta::from_unix_ms((us + us_per_ms - 1) / us_per_ms);
}

}  // namespace

void TokenBucket::set_rate(std::optional<mta::Rate> rate) {
    const auto former_interval_us = interval_us_;
    interval_us_ = ahead_max_us_ = 0;
    if (!rate || rate->count == 0 || rate->period <= mta::Millis{0}) {
        used_until_us_ = 0;
        return;
    }
    const auto period_us = rate->period.count() * us_per_ms;
    const std::int64_t count = rate->count;
    // `burst` at once and one each interval afterwards are `count` in a period.
    const auto burst = std::max<std::int64_t>(count * slack.count() / rate->period.count(), 1);
    const auto spread = count - burst + 1;
    interval_us_ = (period_us + spread - 1) / spread;
    ahead_max_us_ = (burst - 1) * interval_us_;
    if (used_until_us_ != 0) used_until_us_ += interval_us_ - former_interval_us;
}

mta::Instant TokenBucket::next() const {
    return interval_us_ == 0 ? mta::Instant{} : instant_of(used_until_us_ - ahead_max_us_);
}

void TokenBucket::take(mta::Instant now) {
    if (interval_us_ == 0) return;
    MTA_ASSERT(may_take(now));
    used_until_us_ = std::max(used_until_us_, us_of(now)) + interval_us_;
}

std::optional<mta::Instant> TokenBucket::last_taken(mta::Instant now) const {
    if (interval_us_ == 0 || used_until_us_ <= us_of(now)) return std::nullopt;
    return instant_of(used_until_us_ - interval_us_);
}

void TokenBucket::restore(const Restored& from) {
    const auto latest = instant_of(us_of(from.now) + ahead_max_us_);
    used_until_us_ = us_of(std::clamp(from.last_taken, mta::Instant{}, latest)) + interval_us_;
}

void TokenBucket::give_back(mta::Instant taken) {
    if (taken == forgotten_at()) used_until_us_ -= interval_us_;
}

mta::Instant TokenBucket::forgotten_at() const {
    return interval_us_ == 0 ? mta::Instant{} : instant_of(used_until_us_);
}

}  // namespace queue
