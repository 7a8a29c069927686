#pragma once
#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "queue/message.h"
#include "queue/segment_log/log_service.h"
#include "queue/store.h"
#include "tests/support/fake_disk.h"

namespace queue::segment_log {

inline LogOptions small_options(std::uint64_t seed = 1) {
    LogOptions options;
    options.segment_bytes = 64u << 10;
    options.batch_bytes_max = 32u << 10;
    options.zero_ahead_bytes = 4096;
    options.free_segments_max = 2;
    options.random_seed = seed;
    return options;
}

// A message whose every field differs from its default, told apart by its id.
inline Message make_message(MessageId id, std::string body) {
    Message message;
    message.id = id;
    message.arrival = mta::from_unix_ms(1'700'000'000'000 + static_cast<std::int64_t>(id));
    message.envelope.reverse_path = "sender" + std::to_string(id) + "@us.example";
    message.envelope.recipients = {{"a" + std::to_string(id) + "@them.example", "them.example",
                                    notify_failure, "rfc822;a+2B@them.example"},
                                   {"b@other.example", "other.example", notify_unspecified, ""}};
    message.envelope.body_type = BodyType::eight_bit_mime;
    message.envelope.smtputf8 = true;
    message.envelope.ret = Ret::headers;
    message.envelope.envid = "QQ" + std::to_string(id);
    if (id % 4 == 1) {
        message.envelope.requests = {
            .priority = static_cast<std::int8_t>(id % 10),
            .release = message.arrival + mta::Millis{1000},
            .deliver_by = {mta::ByMode::give_back, true, message.arrival + mta::Millis{2000}}};
    }
    message.facts.size = body.size();
    message.facts.header_bytes = 10;
    message.facts.has_8bit = true;
    message.facts.has_leading_dots = id % 2 == 0;
    message.facts.line_bytes_max = 78;
    message.body = std::move(body);
    message.message_id = "<" + std::to_string(id) + "@us.example>";
    return message;
}

inline std::shared_ptr<const Message> shared_message(MessageId id, std::string body) {
    return std::make_shared<const Message>(make_message(id, std::move(body)));
}

// A message whose body is in the store already.
inline std::shared_ptr<const Message> large_message(MessageId id, std::uint64_t size) {
    auto message = make_message(id, "");
    message.facts.size = size;
    return std::make_shared<const Message>(std::move(message));
}

inline std::vector<RecipientState> make_states(std::uint16_t attempts) {
    RecipientState tried;
    tried.in_doubt = true;
    tried.told_late = true;
    tried.delay_notices = 1;
    tried.attempts = attempts;
    tried.next_due = mta::from_unix_ms(1'700'000'500'000);
    tried.last_attempt = mta::from_unix_ms(1'700'000'400'000);
    tried.last_error = {.status = {4, 7, 1},
                        .scope = mta::Scope::message,
                        .reply_code = 451,
                        .text = "greylisted, come back later",
                        .remote = "mx1.them.example [192.0.2.1]:25"};
    RecipientState done;
    done.phase = RecipientPhase::delivered;
    done.attempts = 1;
    return {tried, done};
}

inline void expect_equal(const Message& a, const Message& b) {
    EXPECT_EQ(a.id, b.id);
    EXPECT_EQ(a.arrival, b.arrival);
    EXPECT_EQ(a.envelope, b.envelope);
    EXPECT_EQ(a.facts, b.facts);
    EXPECT_EQ(a.added_header, b.added_header);
    EXPECT_EQ(a.body, b.body);
    EXPECT_EQ(a.message_id, b.message_id);
    EXPECT_EQ(a.about, b.about);
}

inline void expect_equal(const QueuedMessage& a, const QueuedMessage& b) {
    EXPECT_EQ(a.id, b.id);
    EXPECT_EQ(a.arrival, b.arrival);
    EXPECT_EQ(a.size, b.size);
    EXPECT_EQ(a.sender, b.sender);
    EXPECT_EQ(a.requests, b.requests);
    EXPECT_EQ(a.message_id_hash, b.message_id_hash);
    ASSERT_EQ(a.recipients.size(), b.recipients.size());
    for (std::size_t i = 0; i < a.recipients.size(); ++i) {
        EXPECT_EQ(a.recipients[i].domain, b.recipients[i].domain);
        EXPECT_EQ(a.recipients[i].address_hash, b.recipients[i].address_hash);
        EXPECT_EQ(a.recipients[i].notify, b.recipients[i].notify);
        EXPECT_EQ(a.recipients[i].state, b.recipients[i].state);
    }
}

// The disk with one file's bytes changed.
inline std::unique_ptr<FakeDisk> copy_of(const FakeDisk& disk) {
    return disk.after_power_cut(0, FakeDisk::Cut::everything_unsynced);
}

// A store on a fake disk, run by hand.
class Spool {
public:
    // `find_old_mail`: at once, so that report() is whole; otherwise some step() does.
    explicit Spool(Disk& disk, LogOptions options = small_options(), bool find_old_mail = true) {
        auto opened = LogService::open(
            disk, options, LogService::Mode::steps,
            [this](const std::string& text) { fatal = text; },
            [this](const std::string& text) { notes.push_back(text); });
        if (!opened) {
            error = opened.error();
            return;
        }
        service = std::move(*opened);
        if (find_old_mail) service->find_old_mail();
        store = service->make_store([this](auto work) { posted.push_back(std::move(work)); });
    }
    // Tidy; kill() is the other end.
    ~Spool() { store.reset(); }
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;

    // Until nothing is left to do.
    void run() {
        while (service->step() || !posted.empty()) run_posted();
    }
    void run_posted() {
        while (!posted.empty()) {
            auto work = std::move(posted.front());
            posted.pop_front();
            work();
        }
    }
    std::map<MessageId, StoredMessage> load() {
        std::vector<QueuedMessage> all;
        bool was_last = false;
        store->load([&](std::vector<QueuedMessage> batch, bool last) {
            std::ranges::move(batch, std::back_inserter(all));
            was_last = last;
        });
        run();
        EXPECT_TRUE(was_last);
        std::map<MessageId, StoredMessage> messages;
        for (const auto& queued : all) {
            if (!queued.damage.empty()) damaged[queued.id] = queued.damage;
            auto stored = read(queued.id);
            if (!stored) continue;  // damaged
            expect_equal(queued, to_queued(*stored));
            auto message = *stored->message;
            message.body.clear();
            stored->message = std::make_shared<const Message>(std::move(message));
            messages[queued.id] = std::move(*stored);
        }
        return messages;
    }
    StoreResult<StoredMessage> read(MessageId id) {
        std::optional<StoreResult<StoredMessage>> result;
        store->read(id, [&](auto answer) { result = std::move(answer); });
        run();
        return std::move(*result);
    }
    StoreResult<std::string> read_body(MessageId id, std::uint64_t offset, std::uint32_t length) {
        std::optional<StoreResult<std::string>> result;
        store->read_body(id, offset, length, [&](auto answer) { result = std::move(answer); });
        run();
        return std::move(*result);
    }
    // Until durable.
    StoreResult<void> enqueue(std::shared_ptr<const Message> message) {
        std::optional<StoreResult<void>> result;
        store->enqueue(std::move(message), [&](auto answer) { result = std::move(answer); });
        run();
        return std::move(*result);
    }
    StoreResult<void> finish(MessageId id,
                             std::vector<std::shared_ptr<const Message>> reports = {}) {
        std::optional<StoreResult<void>> result;
        store->finish(id, std::move(reports), [&](auto answer) { result = std::move(answer); });
        run();
        return std::move(*result);
    }

    std::optional<StoreError> error;  // of opening
    std::string fatal;
    std::vector<std::string> notes;
    std::map<MessageId, std::string> damaged;  // of load()
    std::unique_ptr<LogService> service;
    std::deque<std::move_only_function<void()>> posted;
    std::unique_ptr<Store> store;
};

}  // namespace queue::segment_log
