#include "mta/outbound/attempt/attempt.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace mta::outbound {
namespace {

using namespace attempt_state;

std::vector<AttemptState> one_of_each() {
    const ConnectionHandle connection(7);
    std::vector<AttemptState> states;
    states.emplace_back(Reading{connection, {}});
    states.emplace_back(Admitted{});
    states.emplace_back(Resolving{{}, ConnectionPlace{}, {}});
    states.emplace_back(Paused{{}, std::nullopt});
    states.emplace_back(Queued{});
    states.emplace_back(Connecting{connection});
    states.emplace_back(Transacting{connection, true});
    states.emplace_back(Leaving{connection});
    states.emplace_back(Abandoned{connection, true});
    return states;
}

std::string transitions_from(const AttemptState& from) {
    std::string text;
    for (const auto& to : one_of_each())
        if (is_legal(from, to)) text += (text.empty() ? "" : " ") + std::string(name_of(to));
    return text;
}

TEST(AttemptState, has_these_transitions) {
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"reading", "reading admitted transacting"},
        {"admitted", "admitted resolving paused queued connecting"},
        {"resolving", "admitted resolving paused queued"},
        {"paused", "admitted resolving paused queued"},
        {"queued", "admitted transacting"},
        {"connecting", "admitted transacting"},
        {"transacting", "transacting leaving abandoned"},
        {"leaving", "admitted"},
        {"abandoned", "abandoned"},
    };
    const auto states = one_of_each();
    ASSERT_EQ(states.size(), expected.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
        EXPECT_EQ(name_of(states[i]), expected[i].first);
        EXPECT_EQ(transitions_from(states[i]), expected[i].second) << expected[i].first;
    }
}

std::string text_of(const Claims& claims) {
    std::string text;
    if (claims.place) text += "place ";
    if (claims.connection) text += "connection ";
    if (claims.is_queued) text += "queue ";
    if (claims.is_in_long_look_up) text += "long look-up ";
    return text;
}

TEST(AttemptState, claims_a_place_or_a_connection_or_neither) {
    const ConnectionHandle connection(7);
    EXPECT_EQ(text_of(claims_of(Reading{connection, {}})), "connection ");
    EXPECT_EQ(text_of(claims_of(Reading{})), "place ");
    EXPECT_EQ(text_of(claims_of(Admitted{})), "place ");
    EXPECT_EQ(text_of(claims_of(Resolving{{}, ConnectionPlace{}, {}})), "place ");
    EXPECT_EQ(text_of(claims_of(Resolving{{}, std::nullopt, {}})), "long look-up ");
    EXPECT_EQ(text_of(claims_of(Paused{{}, ConnectionPlace{}})), "place ");
    EXPECT_EQ(text_of(claims_of(Paused{})), "");
    EXPECT_EQ(text_of(claims_of(Queued{})), "queue ");
    EXPECT_EQ(text_of(claims_of(Connecting{connection})), "connection ");
    EXPECT_EQ(text_of(claims_of(Transacting{connection, false})), "connection ");
    EXPECT_EQ(text_of(claims_of(Leaving{connection})), "connection ");
    EXPECT_EQ(text_of(claims_of(Abandoned{connection, false})), "connection ");
}

TEST(AttemptState, leads_its_connection_unless_it_follows_another_attempt_there) {
    const ConnectionHandle connection(7);
    EXPECT_TRUE(leads(Admitted{}));
    EXPECT_TRUE(leads(Leaving{connection}));
    EXPECT_TRUE(leads(Transacting{connection, true}));
    EXPECT_FALSE(leads(Transacting{connection, false}));
    EXPECT_FALSE(leads(Abandoned{connection, false}));
}

TEST(AttemptState, that_is_moved_from_claims_what_it_claimed) {
    AttemptState state = Resolving{{}, ConnectionPlace{}, {}};
    const auto place = std::move(std::get<Resolving>(state).place);
    EXPECT_TRUE(place);
    EXPECT_TRUE(claims_of(state).place);
}

}  // namespace
}  // namespace mta::outbound
