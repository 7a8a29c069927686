// The process's spool, on a real file system.
#include "queue/segment_log/log_spool.h"

#include <fstream>

#include "tests/segment_log/log_world.h"
#include "tests/segment_log/shard_loop.h"

namespace queue::segment_log {
namespace {

StoreResult<std::unique_ptr<LogSpool>> open(const TempFolder& folder, SpoolEvents events = {}) {
    auto options = small_options();
    options.free_percent_min = 0;
    options.free_bytes_min = 0;
    return LogSpool::open(folder.path(), options, std::move(events));
}

// Queues a message for good.
void enqueue_one(Store& store, ShardLoop& loop) {
    const auto id = store.allocate_id();
    bool is_durable = false;
    store.enqueue(shared_message(id, "body"), [&](auto result) {
        EXPECT_TRUE(result);
        is_durable = true;
    });
    EXPECT_TRUE(loop.run_until([&] { return is_durable; }));
}

void load_all(Store& store, ShardLoop& loop) {
    bool was_last = false;
    store.load([&](auto, bool last) { was_last = last; });
    EXPECT_TRUE(loop.run_until([&] { return was_last; }));
}

TEST(LogSpool, counts_what_is_queued_and_what_was_queued_at_start) {
    const TempFolder folder;
    {
        const auto spool = open(folder);
        ASSERT_TRUE(spool) << spool.error().text;
        ShardLoop loop;
        const auto store = (*spool)->make_store(loop.post());
        enqueue_one(*store, loop);
        const auto figures = (*spool)->figures();
        EXPECT_EQ(figures.messages, 1u);
        EXPECT_EQ(figures.old_messages, std::nullopt);
        EXPECT_GT(figures.batches_total, 0u);
        EXPECT_GT(figures.syncs_total, 0u);
        EXPECT_GE(figures.sync_time_total, figures.sync_time_max);
        EXPECT_GT(figures.live_bytes, 0u);
        EXPECT_GT(figures.total_bytes.value_or(0), figures.free_bytes.value_or(0));
    }
    const auto spool = open(folder);
    ASSERT_TRUE(spool) << spool.error().text;
    EXPECT_GT((*spool)->opening().segments, 0u);
    ShardLoop loop;
    const auto store = (*spool)->make_store(loop.post());
    load_all(*store, loop);
    EXPECT_EQ((*spool)->figures().old_messages, 1u);
}

TEST(LogSpool, is_one_processs_at_a_time) {
    const TempFolder folder;
    const auto first = open(folder);
    ASSERT_TRUE(first) << first.error().text;
    const auto second = open(folder);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().text.find(folder.path()), std::string::npos) << second.error().text;
}

TEST(LogSpool, keeps_hints_for_the_next_process) {
    const TempFolder folder;
    {
        const auto spool = open(folder);
        ASSERT_TRUE(spool) << spool.error().text;
        EXPECT_EQ((*spool)->read_hints(), "");
        (*spool)->keep_hints("mx1.them.example is down");
    }
    const auto spool = open(folder);
    ASSERT_TRUE(spool) << spool.error().text;
    EXPECT_EQ((*spool)->read_hints(), "mx1.them.example is down");
    EXPECT_EQ((*spool)->hints_problem(), "");
}

TEST(LogSpool, returns_each_finding_once_and_names_what_is_in_quarantine) {
    const TempFolder folder;
    {
        const auto spool = open(folder);
        ASSERT_TRUE(spool) << spool.error().text;
        ShardLoop loop;
        const auto store = (*spool)->make_store(loop.post());
        enqueue_one(*store, loop);
        EXPECT_TRUE((*spool)->take_findings().damages.empty());
    }
    const auto path = folder.path() + "/" + segment_path(1);
    std::string bytes;
    {
        std::ifstream in(path, std::ios::binary);
        bytes.assign(std::istreambuf_iterator<char>(in), {});
    }
    const auto at = bytes.rfind("us.example");
    ASSERT_NE(at, bytes.npos);
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out)
        .seekp(static_cast<long>(at))
        .put('X');

    const auto spool = open(folder);
    ASSERT_TRUE(spool) << spool.error().text;
    ShardLoop loop;
    const auto store = (*spool)->make_store(loop.post());
    load_all(*store, loop);
    const auto findings = (*spool)->take_findings();
    ASSERT_EQ(findings.damages.size(), 1u);
    EXPECT_EQ(findings.damages.front().segment, 1u);
    EXPECT_TRUE((*spool)->take_findings().damages.empty());
    const auto kept = (*spool)->figures().quarantine;
    ASSERT_EQ(kept.size(), 1u);
    EXPECT_EQ("quarantine/" + kept.front(), findings.damages.front().quarantine_path);
}

TEST(LogSpool, refuses_new_mail_as_soon_as_the_limits_say_so) {
    const TempFolder folder;
    const auto spool = open(folder);
    ASSERT_TRUE(spool) << spool.error().text;
    ShardLoop loop;
    const auto store = (*spool)->make_store(loop.post());
    EXPECT_FALSE(store->refusal());
    (*spool)->set_limits({.free_percent_min = 0, .free_bytes_min = UINT64_MAX});
    ASSERT_TRUE(store->refusal());
    EXPECT_EQ(store->refusal()->kind, StoreError::Kind::no_space);
    (*spool)->set_limits({.free_percent_min = 0, .free_bytes_min = 0});
    EXPECT_FALSE(store->refusal());
}

}  // namespace
}  // namespace queue::segment_log
