#pragma once
#include <cstdint>
#include <list>
#include <unordered_map>

#include "queue/bundle.h"

namespace queue {

// The bundles that wait for a destination. Senders take turns, one bundle each, so that one with
// 100,000 messages delays another's single one by one bundle. Of one sender's, first-time and
// retried mail take turns, each in the order of coming, so that neither delays the other. Whatever
// the number of bundles and senders, each call costs the same.
class SenderLines {
public:
    SenderLines() = default;
    SenderLines(const SenderLines&) = delete;  // by_group_ points into ring_
    SenderLines(SenderLines&&) = default;
    SenderLines& operator=(const SenderLines&) = delete;
    SenderLines& operator=(SenderLines&&) = default;
    ~SenderLines() = default;

    [[nodiscard]] std::uint32_t size() const { return size_; }
    // At the end of its line (Bundle::sender, is_retry); a sender who had nothing waiting comes
    // after all others.
    void push_back(BundleSlab& bundles, std::uint32_t bundle);
    void remove(BundleSlab& bundles, std::uint32_t bundle);
    // Whose turn it is. Only if size() > 0.
    [[nodiscard]] std::uint32_t next() const;
    // The same, and the next sender's turn comes. The bundle stays in line.
    [[nodiscard]] std::uint32_t take_turn();

private:
    struct Sender {
        std::uint32_t group = nothing;
        BundleLine fresh;
        BundleLine retries;
        bool is_retry_turn = false;
    };

    std::list<Sender> ring_;  // the first one is next; none is empty
    std::unordered_map<std::uint32_t, std::list<Sender>::iterator> by_group_;
    std::uint32_t size_ = 0;
};

}  // namespace queue
