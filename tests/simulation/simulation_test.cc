#include <gtest/gtest.h>

#include "tests/simulation/relay_world.h"
#include "tests/support/seeds.h"

namespace simulation {
namespace {

TEST(Simulation, every_message_ends_once_whatever_happens) {
    const tests::Seeds seeds{
        .fixed = 200, .fresh = 100, .found = {1659740999, 1102655067, 3829236733, 4400446887}};
    for (const auto seed : seeds.of_this_run()) {
        SCOPED_TRACE(tests::how_to_replay(seed));
        RelayWorld world(seed);
        world.run();
        if (HasFailure()) return;
    }
}

constexpr int many_messages = tests::is_sanitized ? 10'000 : 100'000;

TEST(Simulation, a_hundred_thousand_messages_end_once_each) {
    const auto seed = tests::number_from_environment("SEED").value_or(1);
    SCOPED_TRACE(tests::how_to_replay(seed));
    RelayWorld world(
        seed, {.messages_min = many_messages, .messages_max = many_messages, .plain_domains = 300});
    world.run();
}

}  // namespace
}  // namespace simulation
