#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/simulation/relay_world.h"

namespace simulation {
namespace {

std::vector<std::uint64_t> seeds() {
    if (const auto* seed = std::getenv("SEED")) return {std::strtoull(seed, nullptr, 10)};
    std::uint64_t count = 200;
    if (const auto* wanted = std::getenv("SEEDS")) count = std::strtoull(wanted, nullptr, 10);
    std::vector<std::uint64_t> all;
    for (std::uint64_t seed = 1; seed <= count; ++seed) all.push_back(seed);
    return all;
}

// SEED=n replays one seed; SEEDS=n runs more seeds.
TEST(Simulation, every_message_ends_once_whatever_happens) {
    for (const auto seed : seeds()) {
        SCOPED_TRACE("replay with SEED=" + std::to_string(seed));
        RelayWorld world(seed);
        world.run();
        if (HasFailure()) {
            std::fprintf(stderr, "failed with SEED=%llu\n", static_cast<unsigned long long>(seed));
            return;
        }
    }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int many_messages = 10'000;
#else
constexpr int many_messages = 100'000;
#endif

TEST(Simulation, a_hundred_thousand_messages_end_once_each) {
    const auto seed = seeds().front();
    SCOPED_TRACE("replay with SEED=" + std::to_string(seed));
    RelayWorld world(
        seed, {.messages_min = many_messages, .messages_max = many_messages, .plain_domains = 300});
    world.run();
}

}  // namespace
}  // namespace simulation
