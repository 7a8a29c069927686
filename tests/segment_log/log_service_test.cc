// The log with its threads, on a real file system.
#include "queue/segment_log/log_service.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "queue/segment_log/disk/posix_disk.h"
#include "tests/segment_log/log_world.h"
#include "tests/segment_log/shard_loop.h"

namespace queue::segment_log {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<LogService> open_service(Disk& disk, LogService::OnFatal on_fatal = nullptr) {
    auto options = small_options(system_random());
    options.free_percent_min = 0;
    options.free_bytes_min = 0;
    auto opened = LogService::open(disk, options, LogService::Mode::threads, std::move(on_fatal));
    EXPECT_TRUE(opened) << opened.error().text;
    return opened ? std::move(*opened) : nullptr;
}

std::map<MessageId, StoredMessage> load(Store& store, ShardLoop& loop) {
    std::vector<MessageId> ids;
    bool was_last = false;
    store.load([&](const std::vector<QueuedMessage>& batch, bool last) {
        for (const auto& queued : batch) ids.push_back(queued.id);
        was_last = last;
    });
    EXPECT_TRUE(loop.run_until([&] { return was_last; }));
    std::map<MessageId, StoredMessage> messages;
    for (const auto id : ids) {
        store.read(id, [&, id](auto stored) {
            ASSERT_TRUE(stored);
            auto message = *stored->message;
            EXPECT_EQ(message.id, id);
            message.body.clear();
            messages[id] = {std::make_shared<const Message>(std::move(message)), stored->states};
        });
    }
    EXPECT_TRUE(loop.run_until([&] { return messages.size() == ids.size(); }));
    return messages;
}

TEST(LogService, serves_several_shards_and_brings_everything_back) {
    const TempFolder folder;
    PosixDisk disk(folder.path() + "/deep/spool");
    constexpr int shard_count = 3;
    constexpr int messages_each = 400;
    std::atomic<int> open_count = 0;
    {
        const auto service = open_service(disk);
        ASSERT_TRUE(service);
        std::vector<std::thread> shards;
        for (int shard = 0; shard < shard_count; ++shard) {
            shards.emplace_back([&, shard] {
                ShardLoop loop;
                const auto store = service->make_store(loop.post());
                int durable = 0;
                int finished = 0;
                for (int i = 0; i < messages_each; ++i) {
                    const auto id = store->allocate_id();
                    auto message = shared_message(id, std::string(300, 'x'));
                    if (i % 10 == 0) {
                        store->append_body(id, std::string(7000, 'y'), nullptr);
                        message = large_message(id, 7000);
                    }
                    store->enqueue(message, [&, id, i](auto result) {
                        EXPECT_TRUE(result);
                        ++durable;
                        store->update(id, make_states(static_cast<std::uint16_t>(shard + 1)), {});
                        if (i % 2 != 0) return;
                        store->read(id, [&, id](auto stored) {
                            ASSERT_TRUE(stored) << stored.error().text;
                            EXPECT_EQ(stored->message->id, id);
                            store->finish(id, {}, [&](auto done) {
                                EXPECT_TRUE(done);
                                ++finished;
                            });
                        });
                    });
                }
                EXPECT_TRUE(loop.run_until(
                    [&] { return durable == messages_each && finished == messages_each / 2; }));
                open_count += messages_each - finished;
                EXPECT_LT(loop.posts(), 2 * messages_each + 400u)
                    << "completions of a batch come together";
            });
        }
        for (auto& shard : shards) shard.join();
    }
    const auto service = open_service(disk);
    ASSERT_TRUE(service);
    EXPECT_TRUE(service->report().damages.empty());
    EXPECT_FALSE(service->report().has_torn_tail);
    ShardLoop loop;
    const auto store = service->make_store(loop.post());
    const auto messages = load(*store, loop);
    EXPECT_EQ(messages.size(), static_cast<std::size_t>(open_count));
    for (const auto& [id, stored] : messages) EXPECT_GT(stored.states[0].attempts, 0);
}

TEST(LogService, no_callback_comes_after_the_store_is_destroyed) {
    const TempFolder folder;
    PosixDisk disk(folder.path());
    const auto service = open_service(disk);
    ASSERT_TRUE(service);
    ShardLoop loop;
    ShardLoop other_loop;
    const auto other = service->make_store(other_loop.post());
    auto store = service->make_store(loop.post());
    int calls = 0;
    for (int i = 0; i < 50; ++i) {
        store->enqueue(shared_message(store->allocate_id(), "x"), [&](auto) { ++calls; });
    }
    ASSERT_TRUE(loop.run_until([&] { return calls > 0; }));
    const auto id = store->allocate_id();
    store->append_body(id, "never finished", [&](auto) { ++calls; });
    store.reset();
    const auto before = calls;
    // The other shard's answer comes behind theirs.
    bool is_done = false;
    other->enqueue(shared_message(other->allocate_id(), "y"), [&](auto) { is_done = true; });
    ASSERT_TRUE(other_loop.run_until([&] { return is_done; }));
    loop.run_posted();
    EXPECT_EQ(calls, before);
}

TEST(LogService, a_store_may_be_destroyed_in_its_own_callback) {
    FakeDisk disk;
    const auto service = open_service(disk);
    ASSERT_TRUE(service);
    ShardLoop loop;
    auto store = service->make_store(loop.post());
    int calls = 0;
    for (int i = 0; i < 3; ++i) {
        store->enqueue(shared_message(store->allocate_id(), "x"), [&](auto) {
            ++calls;
            store.reset();
        });
    }
    EXPECT_TRUE(loop.run_until([&] { return calls > 0; }));
    EXPECT_EQ(calls, 1);
}

TEST(LogService, a_failing_disk_is_told_to_everybody_once) {
    FakeDisk disk;
    std::atomic<int> fatal_count = 0;
    const auto service = open_service(disk, [&](const std::string& text) {
        EXPECT_NE(text, "");
        ++fatal_count;
    });
    ASSERT_TRUE(service);
    ShardLoop loop;
    const auto store = service->make_store(loop.post());
    disk.fail_at(disk.calls() + 1, 5);  // the sync behind the first write
    int refused = 0;
    for (int i = 0; i < 20; ++i) {
        store->enqueue(shared_message(store->allocate_id(), "x"), [&](auto result) {
            ASSERT_FALSE(result);
            EXPECT_EQ(result.error().kind, StoreError::Kind::broken);
            ++refused;
        });
    }
    EXPECT_TRUE(loop.run_until([&] { return refused == 20 && fatal_count > 0; }));
    EXPECT_EQ(fatal_count, 1);
    ASSERT_TRUE(store->refusal());
    EXPECT_EQ(store->refusal()->kind, StoreError::Kind::broken);
}

TEST(LogService, syncs_by_itself_what_nobody_waits_for) {
    FakeDisk disk;
    const auto service = open_service(disk);
    ASSERT_TRUE(service);
    ShardLoop loop;
    const auto store = service->make_store(loop.post());
    bool is_durable = false;
    const auto id = store->allocate_id();
    store->enqueue(shared_message(id, "x"), [&](auto) { is_durable = true; });
    ASSERT_TRUE(loop.run_until([&] { return is_durable; }));
    store->finish(id, {}, nullptr);
    EXPECT_TRUE(loop.run_until([&] {
        const auto cut = disk.after_power_cut(1, FakeDisk::Cut::nothing_unsynced);
        Spool later(*cut);
        return later.load().empty();
    }));
}

// There is enough to copy for minutes.
TEST(LogService, a_stop_does_not_wait_for_compaction) {
    FakeDisk disk;
    std::vector<MessageId> ids;
    {
        auto service = open_service(disk);
        ASSERT_TRUE(service);
        ShardLoop loop;
        auto store = service->make_store(loop.post());
        std::size_t durable = 0;
        for (int i = 0; i < 20'000; ++i) {
            ids.push_back(store->allocate_id());
            store->enqueue(shared_message(ids.back(), std::string(800, 'x')),
                           [&](auto) { ++durable; });
        }
        ASSERT_TRUE(loop.run_until([&] { return durable == ids.size(); }));
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (i % 10 != 0) store->finish(ids[i], {}, nullptr);
        }
        ASSERT_TRUE(loop.run_until([&] { return service->statistics().copied_bytes > 0; }));
        store.reset();
    }
    const auto files = disk.files();
    EXPECT_GT(std::ranges::count_if(files,
                                    [](const std::string& path) { return path.ends_with(".log"); }),
              50);
    Spool spool(disk);
    EXPECT_EQ(spool.load().size(), ids.size() / 10);
}

TEST(LogService, a_second_process_is_refused_and_the_first_ones_death_frees_the_spool) {
    const TempFolder folder;
    PosixDisk disk(folder.path());
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const auto child = ::fork();
    if (child == 0) {
        PosixDisk own(folder.path());
        const auto log = Log::open(own, small_options());
        const char answer = log ? 'y' : 'n';
        [[maybe_unused]] const auto written = ::write(ready[1], &answer, 1);
        ::pause();
        ::_exit(0);
    }
    char answer = 0;
    ASSERT_EQ(::read(ready[0], &answer, 1), 1);
    ASSERT_EQ(answer, 'y');
    const auto refused = Log::open(disk, small_options());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().text, "the spool " + folder.path() +
                                        " is served by another posthouse (process " +
                                        std::to_string(child) +
                                        "): stop that one first, or give this one a [spool] path "
                                        "of its own");
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(Log::open(disk, small_options(2)));
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST(LogService, mail_is_private) {
    const TempFolder folder;
    const auto path = folder.path() + "/spool";
    PosixDisk disk(path);
    ASSERT_TRUE(Log::open(disk, small_options()));
    namespace fs = std::filesystem;
    EXPECT_EQ(fs::status(path + "/seg").permissions(), fs::perms::owner_all);
    for (const auto& file : fs::directory_iterator(path + "/seg")) {
        EXPECT_EQ(file.status().permissions(), fs::perms::owner_read | fs::perms::owner_write);
    }
}

TEST(PosixDisk, says_what_failed_and_where) {
    PosixDisk disk("/proc/posthouse");
    const auto made = disk.make_directory("");
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().text,
              "cannot create the folder /proc/posthouse: No such file or directory");
    const TempFolder folder;
    PosixDisk real(folder.path());
    EXPECT_TRUE(real.open("none").error().is_not_found());
    ASSERT_TRUE(real.create("file"));
    EXPECT_FALSE(real.create("file"));
    ASSERT_TRUE(real.rename("file", "moved"));
    EXPECT_EQ(real.list(""), std::vector<std::string>{"moved"});
    EXPECT_FALSE(real.remove("file"));
    EXPECT_GT(real.space()->total_bytes, 0u);
}

// A FIFO would be waited for, for ever.
TEST(PosixDisk, opens_regular_files_only_and_never_waits) {
    const TempFolder folder;
    PosixDisk disk(folder.path());
    PosixDisk view(folder.path(), PosixDisk::Access::read_only);
    const auto at = [&](const char* name) { return folder.path() + "/" + name; };
    ASSERT_TRUE(disk.create("file"));
    ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
    ASSERT_EQ(::mkdir(at("folder").c_str(), 0700), 0);
    ASSERT_EQ(::symlink("file", at("link").c_str()), 0);
    ASSERT_EQ(::symlink("none", at("dangling").c_str()), 0);
    for (const auto& [name, kind] : {std::pair{"fifo", "FIFO"},
                                     {"folder", "folder"},
                                     {"link", "symbolic link"},
                                     {"dangling", "symbolic link"}}) {
        const auto words = "cannot open " + at(name) + ": it is a " + kind + " and no regular file";
        for (const auto& error :
             {disk.open(name).error(), view.open(name).error(), disk.lock(name).error()}) {
            EXPECT_EQ(error.text, words);
            EXPECT_FALSE(error.is_not_found() || error.is_temporary() || error.is_denied());
        }
    }
    EXPECT_TRUE(view.open("file"));
    // The folder itself may be anywhere.
    ASSERT_EQ(::symlink(".", at("spool").c_str()), 0);
    EXPECT_TRUE(PosixDisk(at("spool")).open("file"));
}

TEST(PosixDisk, opens_files_from_its_reserve_when_the_process_has_no_descriptors_left) {
    const TempFolder folder;
    PosixDisk disk(folder.path());
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit low = before;
    low.rlim_cur = 200;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    const auto lock = disk.lock("LOCK");
    ASSERT_TRUE(lock);
    EXPECT_EQ(disk.reserve().held(), DescriptorReserve::held_max);
    std::vector<int> crowd;
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) crowd.push_back(fd);
    for (int i = 0; i < 100; ++i) {
        const auto name = "file" + std::to_string(i);
        const auto file = disk.create(name);
        ASSERT_TRUE(file) << file.error().text;
        EXPECT_TRUE(disk.sync_directory(""));
        EXPECT_TRUE(disk.list(""));
        EXPECT_LT(disk.reserve().held(), DescriptorReserve::held_max);
    }
    EXPECT_GE(disk.reserve().held(), DescriptorReserve::held_max - 1) << "it has them back";
    std::vector<std::unique_ptr<DiskFile>> files;
    for (auto file = disk.open("file1"); file; file = disk.open("file1"))
        files.push_back(std::move(*file));
    const auto refused = disk.open("file1");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is_temporary());
    for (const int fd : crowd) ::close(fd);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(PosixDisk, a_file_reads_back_what_was_written) {
    const TempFolder folder;
    PosixDisk disk(folder.path());
    auto file = disk.create("file");
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->write(10, "hello"));
    ASSERT_TRUE((*file)->sync());
    EXPECT_EQ((*file)->read(8, 100), std::string("\0\0hello", 7));
    EXPECT_EQ((*file)->read(100, 5), "");
    ASSERT_TRUE((*file)->resize(12));
    EXPECT_EQ((*file)->size(), 12u);
}

}  // namespace
}  // namespace queue::segment_log
