#include "queue/segment_log/format/state_fields.h"

#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

std::string bytes_of(const RecipientState& state) {
    std::string bytes;
    put_state_fields(bytes, state);
    return bytes;
}

TEST(StateFields, come_back_as_they_were) {
    auto state = make_states(3).front();
    const auto bytes = bytes_of(state);
    EXPECT_EQ(bytes.size(), state_fields_bytes);
    ByteReader in(bytes);
    const auto back = take_state_fields(in);
    EXPECT_TRUE(in.ok());
    // The strings are kept elsewhere.
    state.last_error.text.clear();
    state.last_error.remote.clear();
    EXPECT_EQ(back, state);
}

TEST(StateFields, hold_the_next_attempt_where_a_digest_looks_for_it) {
    RecipientState state;
    state.next_due = mta::from_unix_ms(1'234'567'890'123);
    EXPECT_EQ(get_at<std::uint64_t>(bytes_of(state), at_next_due), 1'234'567'890'123u);
}

TEST(StateFields, with_an_unknown_phase_or_scope_are_none) {
    for (const std::size_t at : {0u, 3u}) {
        auto bytes = bytes_of({});
        bytes[at] = 6;
        ByteReader in(bytes);
        [[maybe_unused]] const auto state = take_state_fields(in);
        EXPECT_FALSE(in.ok()) << at;
    }
}

}  // namespace
}  // namespace queue::segment_log
