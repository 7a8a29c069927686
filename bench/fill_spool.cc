// Makes a spool with many deferred messages, to measure starts and memory.
//
//     bench_fill_spool FOLDER MESSAGES [BODY_BYTES]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/posix_disk.h"
#include "queue/segment_log/log_service.h"
#include "queue/segment_log/log_store.h"

namespace {

using namespace queue;

constexpr std::uint64_t domains = 1000;
constexpr std::uint64_t senders = 200;
constexpr std::uint64_t in_flight_max = 4096;

// The message is too young for a delay notice.
std::shared_ptr<const Message> make_message(MessageId id, std::size_t body_bytes,
                                            mta::Instant now) {
    Message message;
    message.id = id;
    message.arrival = now - std::chrono::minutes(id % 180);
    message.envelope.reverse_path = "sender" + std::to_string(id % senders) + "@office.example";
    const auto domain = "domain" + std::to_string(id % domains) + ".example";
    message.envelope.recipients = {
        {"user" + std::to_string(id) + "@" + domain, domain, notify_unspecified, ""}};
    message.body = "Subject: " + std::to_string(id) + "\r\n\r\n";
    message.body.resize(std::max(body_bytes, message.body.size()), 'x');
    message.facts.size = message.body.size();
    message.facts.header_bytes = 20;
    message.message_id = "<" + std::to_string(id) + "@office.example>";
    return std::make_shared<const Message>(std::move(message));
}

// The recipient was tried twice and is due again in some hours.
std::vector<RecipientState> make_states(MessageId id, mta::Instant now) {
    RecipientState state;
    state.attempts = 2;
    state.next_due = now + std::chrono::hours(2) + std::chrono::seconds(id % 7200);
    state.last_attempt = now - std::chrono::minutes(5);
    state.last_error = {
        .status = {4, 7, 1},
        .scope = mta::Scope::recipient,
        .reply_code = 450,
        .text = "4.7.1 greylisted, please come back later",
        .remote = "mx.domain" + std::to_string(id % domains) + ".example [192.0.2.1]:25"};
    return {state};
}

int fill(const std::string& folder, std::uint64_t count, std::size_t body_bytes) {
    segment_log::PosixDisk disk(folder);
    segment_log::LogOptions options;
    options.random_seed = segment_log::system_random();
    options.free_bytes_min = 0;
    options.free_percent_min = 0;
    auto service = segment_log::LogService::open(disk, options);
    if (!service) {
        std::fprintf(stderr, "%s\n", service.error().text.c_str());
        return EXIT_FAILURE;
    }
    mta::Mutex mutex;
    mta::Condition ready;
    std::deque<std::move_only_function<void()>> posted;
    auto store = (*service)->make_store([&](auto work) {
        const mta::MutexLock lock(mutex);
        posted.push_back(std::move(work));
        ready.notify_one();
    });
    const auto now = mta::from_unix_ms(std::chrono::duration_cast<std::chrono::milliseconds>(
                                           std::chrono::system_clock::now().time_since_epoch())
                                           .count());
    std::uint64_t done = 0;
    bool has_failed = false;
    for (std::uint64_t asked = 0; done < count && !has_failed;) {
        for (; asked < count && asked - done < in_flight_max; ++asked) {
            const auto id = store->allocate_id();
            store->enqueue(make_message(id, body_bytes, now), [&](auto result) {
                ++done;
                has_failed = has_failed || !result;
            });
            store->update(id, make_states(id, now), {});
        }
        mta::MutexLock lock(mutex);
        while (posted.empty()) ready.wait(lock);
        auto work = std::move(posted.front());
        posted.pop_front();
        lock.unlock();
        work();
    }
    store.reset();
    return has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: bench_fill_spool FOLDER MESSAGES [BODY_BYTES]\n");
        return 2;
    }
    return fill(argv[1], std::strtoull(argv[2], nullptr, 10),
                argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1000);
}
