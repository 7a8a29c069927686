#include "queue/segment_log/disk/hint_file.h"

#include <cerrno>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/fake_disk.h"

namespace queue::segment_log {
namespace {

void put_file(FakeDisk& disk, const std::string& path, std::string_view bytes) {
    [[maybe_unused]] const auto removed = disk.remove(path);
    auto file = disk.create(path);
    ASSERT_TRUE(file && (*file)->write(0, bytes));
}

std::string file_bytes(FakeDisk& disk, const std::string& path) {
    auto file = disk.open(path);
    return file ? (*file)->read(0, 1000).value_or("") : "";
}

TEST(HintFile, keeps_the_last_hints_for_the_next_process) {
    FakeDisk disk;
    {
        HintFile file(disk);
        EXPECT_EQ(file.read(), "");
        file.keep("first");
        file.keep("second");
        file.keep("third");
    }
    HintFile file(disk);
    EXPECT_EQ(file.read(), "third");
    EXPECT_EQ(file.problem(), "");
    EXPECT_FALSE(disk.open("hints.new"));
}

TEST(HintFile, cut_or_changed_anywhere_it_holds_no_hints) {
    FakeDisk disk;
    {
        HintFile(disk).keep("down: mx1.them.example");
    }
    const auto bytes = file_bytes(disk, "hints");
    ASSERT_EQ(bytes.size(), 22 + 4u);
    const auto read = [&](std::string_view changed) {
        put_file(disk, "hints", changed);
        return HintFile(disk).read();
    };
    EXPECT_EQ(read(bytes), "down: mx1.them.example");
    for (std::size_t length = 0; length < bytes.size(); ++length)
        EXPECT_EQ(read(std::string_view(bytes).substr(0, length)), "") << length;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        auto changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_EQ(read(changed), "") << at;
    }
    EXPECT_EQ(read(bytes + "x"), "");
}

TEST(HintFile, replaces_a_damaged_file_and_what_an_interrupted_writing_has_left) {
    FakeDisk disk;
    put_file(disk, "hints", "what is this?");
    put_file(disk, "hints.new", "half of i");
    {
        HintFile(disk).keep("hints");
    }
    EXPECT_EQ(HintFile(disk).read(), "hints");
}

template <class Condition>
bool comes_true(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

TEST(HintFile, says_why_the_last_hints_are_not_kept) {
    FakeDisk disk;
    HintFile file(disk);
    disk.refuse_descriptors(disk.descriptor_calls(), UINT64_MAX, EMFILE);
    file.keep("hints");
    EXPECT_TRUE(comes_true([&] { return !file.problem().empty(); }));
    disk.refuse_descriptors(0, 0, 0);
    file.keep("hints");
    EXPECT_TRUE(comes_true([&] { return !file.read().empty(); }));
    EXPECT_EQ(file.problem(), "");
}

}  // namespace
}  // namespace queue::segment_log
