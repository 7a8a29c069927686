#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "queue/bundle.h"

namespace queue {

// Messages of more than this are huge: small ones go before them, four turns to one.
inline constexpr std::uint32_t huge_kib_min = 1024;

// The bundles that wait for a destination. Senders take turns, one bundle each, so that a sender
// with 100,000 messages delays the single message of another by one bundle.
//
// One sender's bundles stand in up to 76 lines: by priority (19 levels), first-time or retried,
// huge or not, each in the order of coming. Lines take turns by weight, so that every line moves:
//
//   priority     a level's weight doubles every two levels: what is urgent (4) gets four turns for
//                each of what is usual (0), which gets four for each of what can wait (-4)
//   retried      half of its level's turns, as long as there is first-time mail too
//   huge         a fifth of those, as long as there is smaller mail too
//
// A new line waits as if it had just had a turn: hardly at all with a high priority, up to its
// share with a low one. So mail that comes one by one gets no more than its share either. Each call
// costs the same, whatever the number of bundles and senders.
class SenderLines {
public:
    SenderLines() = default;
    SenderLines(const SenderLines&) = delete;  // by_group_ points into ring_
    SenderLines(SenderLines&&) = default;
    SenderLines& operator=(const SenderLines&) = delete;
    SenderLines& operator=(SenderLines&&) = default;
    ~SenderLines() = default;

    [[nodiscard]] std::uint32_t size() const { return size_; }
    // Puts it at the end of its line (Bundle::sender, priority, is_retry, is_huge). A sender that
    // had nothing waiting comes after all others.
    void push_back(BundleSlab& bundles, BundleHandle bundle);
    // Puts it back as if it had not had its turn: it is next().
    void push_front(BundleSlab& bundles, BundleHandle bundle);
    void remove(BundleSlab& bundles, BundleHandle bundle);
    // The bundle whose turn it is. Only if size() > 0.
    [[nodiscard]] BundleHandle next() const;
    // The same, and the turn passes to the next sender. The bundle stays in line.
    [[nodiscard]] BundleHandle take_turn();

private:
    // Turns are given by virtual time (stride scheduling): each turn moves a line's time on, the
    // less the higher its weight is, and the line with the earliest time is next.
    struct Line {
        std::uint64_t time = 0;
        BundleLine bundles;
        std::int8_t priority = 0;
        bool is_retry = false;
        bool is_huge = false;
    };
    struct Sender {
        SenderGroup group;
        std::uint32_t size = 0;   // bundles
        std::uint64_t time = 0;   // of the last turn
        std::vector<Line> lines;  // higher priorities first; none is empty
    };

    [[nodiscard]] Sender& sender_for(SenderGroup group, std::list<Sender>::iterator place_if_new);
    [[nodiscard]] static Line& line_for(Sender& sender, const Bundle& bundle);
    [[nodiscard]] static std::size_t next_line(const Sender& sender);
    [[nodiscard]] static std::uint64_t turn_length(const Sender& sender, const Line& line);

    std::list<Sender> ring_;  // the first one is next; none is empty
    std::unordered_map<SenderGroup, std::list<Sender>::iterator> by_group_;
    std::uint32_t size_ = 0;
};

}  // namespace queue
