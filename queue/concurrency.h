#pragma once
#include <algorithm>
#include <cstdint>

namespace queue {

struct ConcurrencyPolicy {
    std::uint32_t start = 5;
    std::uint32_t max = 20;
};

// How many connections a destination or a host may have at a time. The limit grows with success
// while all of it is used: it doubles with each round of answers until the first failure, and grows
// by one a round from then on. A failure halves it, and further failures of the same burst change
// nothing. After an outage it begins with one: 1, 2, 4...
class Concurrency {
public:
    explicit Concurrency(ConcurrencyPolicy policy = {})
        : policy_(policy), limit_(clamp(policy.start)), doubles_below_(policy.max) {}

    [[nodiscard]] std::uint32_t limit() const { return limit_; }
    // Grows each time that the limit is lowered. A failure counts only if its attempt began in the
    // present epoch.
    [[nodiscard]] std::uint32_t epoch() const { return epoch_; }

    // `in_use`: the connections that were at work, including the successful one.
    void on_success(std::uint32_t in_use) {
        if (in_use < limit_) return;
        if (limit_ >= doubles_below_ && ++successes_at_limit_ < std::max(limit_, patience_)) return;
        successes_at_limit_ = 0;
        limit_ = clamp(limit_ + 1);
    }
    struct Failure {
        std::uint32_t in_use = 0;          // as for on_success()
        std::uint32_t epoch_at_start = 0;  // epoch() when the attempt began
    };
    void on_failure(const Failure& failure) {
        if (failure.epoch_at_start != epoch_) return;
        lower(std::min(limit_, std::max(failure.in_use, 1u)) / 2);
    }
    // The remote has said how many connections are too many.
    void lower_to(std::uint32_t limit) {
        if (limit >= limit_) return;
        lower(limit);
        patience_ = std::clamp(patience_ * 2, patience_min, patience_max);
    }
    void on_recovery() {
        lower(1);
        doubles_below_ = policy_.max;
        patience_ = 0;
    }
    void set_policy(ConcurrencyPolicy policy) {
        if (doubles_below_ == policy_.max) doubles_below_ = policy.max;
        policy_ = policy;
        limit_ = clamp(epoch_ == 0 ? std::max(limit_, policy.start) : limit_);
    }

private:
    static constexpr std::uint32_t patience_min = 32;
    static constexpr std::uint32_t patience_max = 4096;

    [[nodiscard]] std::uint32_t clamp(std::uint32_t limit) const {
        return std::clamp(limit, 1u, std::max(policy_.max, 1u));
    }
    void lower(std::uint32_t limit) {
        limit_ = doubles_below_ = clamp(limit);
        successes_at_limit_ = 0;
        ++epoch_;
    }

    ConcurrencyPolicy policy_;
    std::uint32_t limit_;
    std::uint32_t doubles_below_;
    std::uint32_t successes_at_limit_ = 0;
    // Successes at a limit that the remote has named, before one connection more is tried.
    std::uint32_t patience_ = 0;
    std::uint32_t epoch_ = 0;
};

}  // namespace queue
