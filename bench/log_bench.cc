// The log on this machine's disk, with producers that each wait until their message is durable.
// POSTHOUSE_BENCH_SPOOL names the folder of the spool. The default is below the current folder,
// because a /tmp in memory would have no disk to measure.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/posix_disk.h"
#include "queue/segment_log/format/crc32c.h"
#include "queue/segment_log/log_service.h"
#include "queue/segment_log/segments/housekeeping.h"

namespace {

using queue::segment_log::LogService;

class BenchFolder {
public:
    BenchFolder() {
        const auto* base = std::getenv("POSTHOUSE_BENCH_SPOOL");
        path_ = std::string(base != nullptr ? base : ".") + "/bench-spool-" +
                std::to_string(::getpid());
        std::filesystem::remove_all(path_);
    }
    BenchFolder(const BenchFolder&) = delete;
    BenchFolder& operator=(const BenchFolder&) = delete;
    ~BenchFolder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

// Stands for a shard's loop, on one thread.
class Loop {
public:
    void post(std::move_only_function<void()> work) {
        {
            const mta::MutexLock lock(mutex_);
            work_.push_back(std::move(work));
        }
        ready_.notify_one();
    }
    void run_once() {
        std::deque<std::move_only_function<void()>> taken;
        {
            mta::MutexLock lock(mutex_);
            while (work_.empty()) ready_.wait(lock);
            taken.swap(work_);
        }
        for (auto& work : taken) work();
    }

private:
    mta::Mutex mutex_;
    mta::Condition ready_;
    std::deque<std::move_only_function<void()>> work_ GUARDED_BY(mutex_);
};

queue::Message make_message(std::size_t size) {
    queue::Message message;
    message.envelope.reverse_path = "somebody@office.example";
    message.envelope.recipients = {{"somebody.else@them.example", "them.example", 0, ""}};
    message.body.assign(size, 'x');
    message.facts.size = size;
    message.message_id = "<20261122040506.1234@office.example>";
    return message;
}

// Durable messages a second. Each enqueued message is finished later, as if all were delivered.
void LogAppend_Durable(benchmark::State& state) {
    const auto size = static_cast<std::size_t>(state.range(0));
    const auto in_flight_max = state.range(1);
    const BenchFolder folder;
    queue::segment_log::PosixDisk disk(folder.path());
    queue::segment_log::LogOptions options;
    options.random_seed = queue::segment_log::system_random();
    auto service = LogService::open(disk, options);
    if (!service) {
        state.SkipWithError(service.error().text.c_str());
        return;
    }
    Loop loop;
    {
        const auto store = (*service)->make_store([&](auto work) { loop.post(std::move(work)); });
        const auto message = make_message(size);
        std::int64_t in_flight = 0;
        for (auto _ : state) {
            auto copy = message;
            const auto id = store->allocate_id();
            copy.id = id;
            ++in_flight;
            store->enqueue(std::make_shared<const queue::Message>(std::move(copy)),
                           [&, id](auto result) {
                               if (!result) state.SkipWithError(result.error().text.c_str());
                               --in_flight;
                               store->finish(id, {}, nullptr);
                           });
            while (in_flight >= in_flight_max) loop.run_once();
        }
        while (in_flight > 0) loop.run_once();
    }
    const auto statistics = (*service)->statistics();
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * state.range(0));
    state.counters["messages_a_sync"] =
        static_cast<double>(state.iterations()) / static_cast<double>(statistics.syncs);
    state.counters["recycled"] = static_cast<double>(statistics.recycled);
}
BENCHMARK(LogAppend_Durable)
    ->ArgNames({"size", "in_flight"})
    ->Args({4096, 1})
    ->Args({4096, 16})
    ->Args({4096, 128})
    ->Args({50'000, 16})
    ->Args({50'000, 128})
    ->UseRealTime()
    ->MinTime(2);

void LogRecovery_Scan(benchmark::State& state) {
    const BenchFolder folder;
    queue::segment_log::PosixDisk disk(folder.path());
    queue::segment_log::LogOptions options;
    options.random_seed = queue::segment_log::system_random();
    {
        auto log = queue::segment_log::Log::open(disk, options);
        if (!log) {
            state.SkipWithError(log.error().text.c_str());
            return;
        }
        auto& writer = (*log)->writer();
        for (auto i = state.range(0); i > 0; --i) {
            auto message = make_message(1000);
            message.id = (*log)->allocate_id();
            writer.submit(
                {0, 0,
                 queue::segment_log::Enqueue{std::make_shared<const queue::Message>(message)}});
        }
        while (writer.has_work()) benchmark::DoNotOptimize(writer.commit());
        writer.close([] { return true; });
    }
    const std::atomic<bool> stop = false;
    for (auto _ : state) {
        const auto log = queue::segment_log::Log::open(disk, options);
        if (log) benchmark::DoNotOptimize((*log)->read_old_mail(1, stop));
        if (!log || (*log)->report().messages != static_cast<std::uint64_t>(state.range(0))) {
            state.SkipWithError("messages are missing");
        }
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(LogRecovery_Scan)
    ->ArgName("messages")
    ->Arg(10'000)
    ->Arg(100'000)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// The bytes that this process has passed to write calls.
std::uint64_t written_bytes() {
    std::ifstream io("/proc/self/io");
    std::string name;
    std::uint64_t value = 0;
    while (io >> name >> value) {
        if (name == "wchar:") return value;
    }
    return 0;
}

void submit(queue::segment_log::Log& log, decltype(queue::segment_log::Operation::what) what) {
    log.writer().submit({.shard = 0, .ticket = 0, .what = std::move(what)});
}

// One message of 1 kB comes and is finished while the log must keep this many DONEs, because other
// messages wait in the same segments.
void LogCommit_ManyDones(benchmark::State& state) {
    const BenchFolder folder;
    queue::segment_log::PosixDisk disk(folder.path());
    queue::segment_log::LogOptions options;
    options.random_seed = queue::segment_log::system_random();
    options.segment_bytes = static_cast<std::uint64_t>(state.range(1)) << 20;
    options.slack_segments = 1000;
    auto opened = queue::segment_log::Log::open(disk, options);
    if (!opened) {
        state.SkipWithError(opened.error().text.c_str());
        return;
    }
    auto& log = **opened;
    const std::atomic<bool> stop = false;
    submit(log, std::move(**log.read_old_mail(1, stop)));
    const auto work = [&] {
        while (log.writer().has_work()) benchmark::DoNotOptimize(log.writer().commit());
        while (log.writer().tend()) {
        }
        while (log.housekeeping().step()) {
        }
    };
    std::vector<queue::MessageId> done;
    for (std::int64_t i = 0; i < 2 * state.range(0); ++i) {
        auto message = make_message(20);
        message.id = log.allocate_id();
        if (i % 2 == 0) done.push_back(message.id);
        submit(log, queue::segment_log::Enqueue{
                        std::make_shared<const queue::Message>(std::move(message))});
        if (i % 10'000 == 9'999) work();
    }
    work();
    for (const auto id : done) submit(log, queue::segment_log::Finish{.id = id, .reports = {}});
    work();
    const auto before = written_bytes();
    for (auto _ : state) {
        auto message = make_message(1000);
        const auto id = log.allocate_id();
        message.id = id;
        submit(log, queue::segment_log::Enqueue{
                        std::make_shared<const queue::Message>(std::move(message))});
        benchmark::DoNotOptimize(log.writer().commit());
        benchmark::DoNotOptimize(log.writer().tend());
        submit(log, queue::segment_log::Finish{.id = id, .reports = {}});
        benchmark::DoNotOptimize(log.writer().commit());
        benchmark::DoNotOptimize(log.writer().tend());
        while (log.housekeeping().has_work() && log.housekeeping().step()) {
        }
    }
    state.counters["bytes_a_message"] =
        static_cast<double>(written_bytes() - before) / static_cast<double>(state.iterations());
}
BENCHMARK(LogCommit_ManyDones)
    ->ArgNames({"dones", "segment_mib"})
    ->Args({0, 2})
    ->Args({100'000, 2})
    ->Args({40'000, 1})
    ->Iterations(2000)
    ->Unit(benchmark::kMicrosecond);

// Reads a large body in pieces, as a delivery does.
void LogBody_Read(benchmark::State& state) {
    constexpr std::size_t piece_bytes = 256u << 10;
    const BenchFolder folder;
    queue::segment_log::PosixDisk disk(folder.path());
    queue::segment_log::LogOptions options;
    options.random_seed = queue::segment_log::system_random();
    auto opened = queue::segment_log::Log::open(disk, options);
    if (!opened) {
        state.SkipWithError(opened.error().text.c_str());
        return;
    }
    auto& log = **opened;
    auto message = make_message(0);
    message.id = log.allocate_id();
    message.facts.size = static_cast<std::uint64_t>(state.range(0));
    message.envelope.recipients.assign(static_cast<std::size_t>(state.range(1)),
                                       message.envelope.recipients.front());
    for (std::size_t at = 0; at < message.facts.size; at += piece_bytes) {
        const auto bytes = std::min<std::size_t>(piece_bytes, message.facts.size - at);
        submit(log, queue::segment_log::AppendBody{message.id, std::string(bytes, 'x')});
    }
    const auto id = message.id;
    const auto size = message.facts.size;
    submit(log,
           queue::segment_log::Enqueue{std::make_shared<const queue::Message>(std::move(message))});
    while (log.writer().has_work()) benchmark::DoNotOptimize(log.writer().commit());
    for (auto _ : state) {
        for (std::uint64_t at = 0; at < size; at += piece_bytes) {
            const auto answer = log.answer(
                {0, 0, queue::segment_log::ReadBody{id, at, std::uint32_t{piece_bytes}}});
            const auto& piece = std::get<queue::StoreResult<std::string>>(answer.what);
            if (!piece || piece->empty()) state.SkipWithError("a piece is missing");
        }
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(LogBody_Read)
    ->ArgNames({"size", "recipients"})
    ->Args({20'000'000, 1})
    ->Args({20'000'000, 10'000})
    ->Unit(benchmark::kMillisecond);

void Crc32c_Bytes(benchmark::State& state) {
    const std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
    for (auto _ : state) benchmark::DoNotOptimize(queue::segment_log::crc32c(bytes));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Crc32c_Bytes)->ArgName("size")->Arg(64)->Arg(4096)->Arg(262'144);

}  // namespace

BENCHMARK_MAIN();
