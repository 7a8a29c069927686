#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "mta/base/time.h"

namespace mta {

// Durations, counted by size. One set of bounds fits all uses: from a turn of the loop to the days
// that a message may wait. One thread writes; others get copies.
struct Histogram {
    static constexpr std::array<Millis, 18> bounds = [] {
        using namespace std::chrono_literals;
        return std::array<Millis, 18>{1ms, 2ms,    5ms, 10ms, 20ms, 50ms, 100ms, 250ms, 500ms,
                                      1s,  2500ms, 5s,  10s,  30s,  2min, 15min, 2h,    24h};
    }();

    std::array<std::uint64_t, bounds.size() + 1> counts{};  // the last: above all bounds
    Millis sum{};

    void add(Millis value) {
        std::size_t place = 0;
        while (place < bounds.size() && value > bounds[place]) ++place;
        ++counts[place];
        sum += value;
    }
    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
        sum += other.sum;
    }
    [[nodiscard]] std::uint64_t count() const {
        std::uint64_t all = 0;
        for (const auto one : counts) all += one;
        return all;
    }
};

}  // namespace mta
