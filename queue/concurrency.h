#pragma once
#include <algorithm>
#include <cstdint>

namespace queue {

struct ConcurrencyPolicy {
    std::uint32_t start = 5;
    std::uint32_t max = 20;
};

// How many connections a destination may have at a time: grows with success while it is what limits
// us, shrinks with trouble, and begins with one after an outage.
class Concurrency {
public:
    explicit Concurrency(ConcurrencyPolicy policy = {})
        : policy_(policy), limit_(clamp(policy.start)) {}

    [[nodiscard]] std::uint32_t limit() const { return limit_; }
    // `in_use`: connections that were at work, the successful one included.
    void on_success(std::uint32_t in_use) {
        if (in_use >= limit_) limit_ = clamp(limit_ + 1);
    }
    void on_failure() { limit_ = clamp(limit_ - 1); }
    void on_recovery() { limit_ = 1; }
    void set_policy(ConcurrencyPolicy policy) {
        policy_ = policy;
        limit_ = clamp(limit_);
    }

private:
    [[nodiscard]] std::uint32_t clamp(std::uint32_t limit) const {
        return std::clamp(limit, 1u, std::max(policy_.max, 1u));
    }

    ConcurrencyPolicy policy_;
    std::uint32_t limit_;
};

}  // namespace queue
