#include "queue/segment_log/disk/open_files.h"

#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/log_store.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

constexpr int open_max = static_cast<int>(OpenFiles::open_max);

TEST(OpenFiles, keeps_the_ones_used_last) {
    FakeDisk disk;
    for (std::uint64_t number = 1; number <= OpenFiles::open_max + 2; ++number) {
        disk.put(segment_path(number), "segment " + std::to_string(number));
    }
    OpenFiles files(disk);
    for (std::uint64_t number = 1; number <= OpenFiles::open_max; ++number) {
        ASSERT_TRUE(files.get(number));
    }
    EXPECT_EQ(disk.open_files(), open_max);
    const auto first = *files.get(1);
    ASSERT_TRUE(files.get(OpenFiles::open_max + 1));
    EXPECT_EQ(disk.open_files(), open_max) << "instead of the second one";
    EXPECT_EQ(files.get(1)->get(), first.get()) << "used since";
    EXPECT_EQ(*first->read(0, 9), "segment 1");
    files.close(OpenFiles::open_max + 1);
    EXPECT_EQ(disk.open_files(), open_max - 1);
    EXPECT_FALSE(files.get(1000)) << "there is none";
}

TEST(OpenFiles, a_reader_keeps_his_own_open) {
    FakeDisk disk;
    for (std::uint64_t number = 1; number <= OpenFiles::open_max + 1; ++number) {
        disk.put(segment_path(number), "segment " + std::to_string(number));
    }
    OpenFiles files(disk);
    auto reading = *files.get(1);
    for (std::uint64_t number = 2; number <= OpenFiles::open_max + 1; ++number) {
        ASSERT_TRUE(files.get(number));
    }
    EXPECT_EQ(disk.open_files(), open_max + 1);
    EXPECT_EQ(*reading->read(0, 9), "segment 1");
    reading.reset();
    EXPECT_EQ(disk.open_files(), open_max);
    const auto again = files.get(1);
    ASSERT_TRUE(again);
    EXPECT_EQ(*(*again)->read(0, 9), "segment 1");
}

TEST(OpenFiles, a_spool_of_many_segments_has_few_of_them_open) {
    constexpr int own = 4;  // what is written, one that is ready, and the lock
    FakeDisk disk;
    Spool spool(disk);
    std::vector<MessageId> ids;
    for (int i = 0; i < 200; ++i) {
        ids.push_back(spool.store->allocate_id());
        ASSERT_TRUE(spool.enqueue(shared_message(ids.back(), std::string(40'000, 'x'))));
    }
    ASSERT_GE(spool.service->statistics().segments, 200u);
    for (int round = 0; round < 2; ++round) {
        for (const auto id : ids) {
            ASSERT_TRUE(spool.read(id));
            ASSERT_LE(disk.open_files(), open_max + own);
        }
    }
    EXPECT_GE(disk.open_files(), open_max) << "but those stay open";
    for (const auto id : ids) ASSERT_TRUE(spool.finish(id));
    EXPECT_LT(spool.service->statistics().segments, 5u);
    EXPECT_LE(disk.open_files(), own + 2) << "and what goes is closed";
}

}  // namespace
}  // namespace queue::segment_log
