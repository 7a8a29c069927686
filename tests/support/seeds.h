#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/sanitized.h"

namespace tests {

// The seeds of a test whose course is chosen by chance: fixed ones, which every run repeats, and
// fresh ones, which are different in each run. The fresh ones are printed before the test begins,
// and a failure says how to replay its seed. A seed that has found a fault joins the fixed ones
// (`found` of the test).
//
//     SEED=n         only this seed
//     SEEDS=n        so many fixed ones, and none of the fresh
//     FRESH_SEEDS=n  so many fresh ones
struct Seeds {
    std::uint64_t fixed = 0;           // 1, 2, 3 ...
    std::uint64_t fresh = 0;           // in a build without sanitizers, which are slow
    std::vector<std::uint64_t> found;  // by earlier runs

    [[nodiscard]] std::vector<std::uint64_t> of_this_run() const;
};

inline std::optional<std::uint64_t> number_from_environment(const char* name) {
    const auto* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr) return std::nullopt;
    return std::strtoull(value, nullptr, 10);
}

inline std::vector<std::uint64_t> Seeds::of_this_run() const {
    if (const auto only = number_from_environment("SEED")) return {*only};
    const auto wanted = number_from_environment("SEEDS");
    auto seeds = found;
    for (std::uint64_t seed = 1; seed <= wanted.value_or(fixed); ++seed) seeds.push_back(seed);
    constexpr std::uint64_t slowness = is_sanitized ? 10 : 1;
    const auto usual = wanted ? 0 : (fresh + slowness - 1) / slowness;
    const auto count = number_from_environment("FRESH_SEEDS").value_or(usual);
    if (count == 0) return seeds;
    // Far from the fixed ones, and short enough to be typed.
    const auto first = std::uint64_t{1'000'000'000} + std::random_device{}();
    for (std::uint64_t i = 0; i < count; ++i) seeds.push_back(first + i);
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::printf("seeds: %s.%s: fresh %llu to %llu\n", test->test_suite_name(), test->name(),
                static_cast<unsigned long long>(first),
                static_cast<unsigned long long>(first + count - 1));
    std::fflush(stdout);
    return seeds;
}

// For SCOPED_TRACE: the command that runs only this seed of the current test.
inline std::string how_to_replay(std::uint64_t seed) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    return "replay with SEED=" + std::to_string(seed) +
           " --gtest_filter=" + test->test_suite_name() + "." + test->name() +
           "; once it is mended, the seed joins the fixed ones of this test";
}

}  // namespace tests
