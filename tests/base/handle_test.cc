#include "mta/base/handle.h"

#include <functional>
#include <optional>
#include <type_traits>
#include <unordered_set>
#include <utility>

#include <gtest/gtest.h>

#include "mta/base/pending.h"

namespace mta {
namespace {

struct Horse {};
struct Rider {};

TEST(Handle, of_one_kind_is_no_other_kind_and_no_number) {
    static_assert(!std::is_convertible_v<Handle<Horse>, Handle<Rider>>);
    static_assert(!std::is_constructible_v<Handle<Horse>, Handle<Rider>>);
    static_assert(!std::is_convertible_v<Handle<Horse>, std::uint32_t>);
    static_assert(!std::is_convertible_v<std::uint32_t, Handle<Horse>>);
    static_assert(sizeof(Handle<Horse>) == 4);
}

TEST(Handle, is_empty_until_it_names_an_entry) {
    constexpr Handle<Horse> none;
    constexpr Handle<Horse> first(0);
    EXPECT_FALSE(none);
    EXPECT_TRUE(first);
    EXPECT_EQ(first.index(), 0u);
    EXPECT_NE(none, first);
    EXPECT_EQ(none, Handle<Horse>{});
    EXPECT_LT(first, Handle<Horse>(1));
}

TEST(HandleDeathTest, that_is_empty_has_no_index) {
    EXPECT_DEATH((void)Handle<Horse>{}.index(), "");
    EXPECT_DEATH(Handle<Horse>{0xffffffff}, "");
}

TEST(Handle, can_be_a_key) {
    std::unordered_set<Handle<Horse>> known{Handle<Horse>(1), Handle<Horse>(2), Handle<Horse>{}};
    EXPECT_TRUE(known.contains(Handle<Horse>(2)));
    EXPECT_TRUE(known.contains(Handle<Horse>{}));
    EXPECT_FALSE(known.contains(Handle<Horse>(3)));
}

// Keeps one callback, as a port does, and calls it when told.
struct Port {
    std::function<void(int)> callback;
    void ask(std::function<void(int)> on_answer) { callback = std::move(on_answer); }
};

TEST(Pending, delivers_the_answer_while_it_lives) {
    Port port;
    Pending pending;
    int answer = 0;
    port.ask(pending.guard([&](int value) { answer = value; }));
    port.callback(7);
    EXPECT_EQ(answer, 7);
}

TEST(Pending, cancels_when_it_is_destroyed) {
    Port port;
    int calls = 0;
    {
        Pending pending;
        port.ask(pending.guard([&](int) { ++calls; }));
    }
    port.callback(7);
    EXPECT_EQ(calls, 0);
}

TEST(Pending, cancels_when_it_is_reset_or_replaced) {
    Port first;
    Port second;
    int calls = 0;
    Pending pending;
    first.ask(pending.guard([&](int) { ++calls; }));
    pending.reset();
    first.callback(1);
    EXPECT_EQ(calls, 0);
    second.ask(pending.guard([&](int) { ++calls; }));
    pending = Pending{};
    second.callback(1);
    EXPECT_EQ(calls, 0);
}

TEST(Pending, keeps_its_answer_when_it_is_moved) {
    Port port;
    int calls = 0;
    Pending pending;
    port.ask(pending.guard([&](int) { ++calls; }));
    std::optional<Pending> moved(std::move(pending));
    port.callback(1);
    EXPECT_EQ(calls, 1);
    moved.reset();
    port.callback(1);
    EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace mta
