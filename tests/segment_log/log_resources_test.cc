// What the log does when descriptors or memory are missing for a while.
#include <cerrno>
#include <set>

#include "queue/segment_log/log_store.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

// Mail of all kinds on a spool of small segments: what is asked for, and what must come of it.
class Traffic {
public:
    explicit Traffic(Spool& spool) : spool_(spool) {}

    void send(int count) {
        for (int i = 0; i < count; ++i) {
            const auto id = spool_.store->allocate_id();
            auto message = shared_message(id, std::string(5000, 'x'));
            if (i % 7 == 3) {
                for (int piece = 0; piece < 3; ++piece)
                    spool_.store->append_body(id, std::string(6000, 'y'), nullptr);
                message = large_message(id, 18'000);
            }
            ++asked_;
            spool_.store->enqueue(message, [this](auto result) { accepted_ += result ? 1 : 0; });
            if (i % 4 == 1) {
                spool_.store->update(id, make_states(2), {});
                waiting_.push_back(id);
            } else {
                spool_.store->finish(id, {}, nullptr);
            }
            spool_.run();
        }
    }
    // Until everything has its answer, however often it has to be tried.
    void settle() {
        for (int i = 0; i < 100 && accepted_ < asked_; ++i) spool_.run();
        EXPECT_EQ(accepted_, asked_);
    }
    [[nodiscard]] const std::vector<MessageId>& waiting() const { return waiting_; }

private:
    Spool& spool_;
    int asked_ = 0;
    int accepted_ = 0;
    std::vector<MessageId> waiting_;
};

// A read is refused as long as descriptors are missing, and never takes that for damage.
void expect_readable(Spool& spool, MessageId id) {
    auto stored = spool.read(id);
    for (int i = 0; i < 20 && !stored; ++i) {
        ASSERT_EQ(stored.error().kind, StoreError::Kind::no_resources) << stored.error().text;
        stored = spool.read(id);
    }
    EXPECT_TRUE(stored);
}

void expect_intact(FakeDisk& disk, const std::vector<MessageId>& waiting) {
    Spool spool(disk);
    ASSERT_FALSE(spool.error) << spool.error->text;
    EXPECT_TRUE(spool.service->report().damages.empty());
    const auto messages = spool.load();
    EXPECT_EQ(messages.size(), waiting.size());
    for (const auto id : waiting) {
        ASSERT_TRUE(messages.contains(id)) << id;
        EXPECT_EQ(messages.at(id).states, make_states(2)) << id;
    }
    EXPECT_TRUE(disk.list("quarantine")->empty());
}

TEST(LogResources, a_lack_of_descriptors_at_any_moment_loses_and_breaks_nothing) {
    std::uint64_t calls = 0;
    for (std::uint64_t first = 0; first == 0 || first < calls; ++first) {
        for (const std::uint64_t count : {1u, 9u}) {
            SCOPED_TRACE(testing::Message() << "from call " << first << ", " << count << " calls");
            FakeDisk disk;
            std::vector<MessageId> waiting;
            {
                Spool spool(disk);
                Traffic traffic(spool);
                const auto begin = disk.descriptor_calls();
                disk.refuse_descriptors(begin + first, count, first % 2 == 0 ? EMFILE : ENFILE);
                traffic.send(40);
                traffic.settle();
                traffic.send(8);
                traffic.settle();
                EXPECT_EQ(spool.fatal, "");
                EXPECT_FALSE(spool.store->refusal());
                calls = disk.descriptor_calls() - begin;
                for (const auto id : traffic.waiting()) expect_readable(spool, id);
                waiting = traffic.waiting();
            }
            expect_intact(disk, waiting);
            if (testing::Test::HasFailure()) return;
        }
    }
    EXPECT_GT(calls, 20u);
}

TEST(LogResources, a_lack_of_memory_at_any_change_loses_and_breaks_nothing) {
    std::uint64_t calls = 0;
    for (std::uint64_t call = 0; call == 0 || call < calls; ++call) {
        SCOPED_TRACE(call);
        FakeDisk disk;
        std::vector<MessageId> waiting;
        {
            Spool spool(disk);
            Traffic traffic(spool);
            const auto begin = disk.calls();
            disk.fail_at(begin + call, ENOMEM);
            traffic.send(40);
            traffic.settle();
            EXPECT_EQ(spool.fatal, "");
            calls = disk.calls() - begin;
            waiting = traffic.waiting();
        }
        expect_intact(disk, waiting);
        if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(calls, 100u);
}

TEST(LogResources, new_mail_is_refused_as_long_as_descriptors_are_missing) {
    FakeDisk disk;
    Spool spool(disk);
    disk.refuse_descriptors(disk.descriptor_calls(), 1'000'000, EMFILE);
    int answers = 0;
    int asked = 0;
    while (!spool.store->refusal()) {
        ASSERT_LT(++asked, 100);
        spool.store->enqueue(shared_message(spool.store->allocate_id(), std::string(9000, 'x')),
                             [&](auto result) {
                                 EXPECT_TRUE(result);
                                 ++answers;
                             });
        spool.run();
    }
    EXPECT_EQ(spool.store->refusal()->kind, StoreError::Kind::no_resources);
    EXPECT_EQ(answers, asked - 1) << "the last one waits";
    ASSERT_EQ(spool.notes.size(), 1u);
    spool.run();
    EXPECT_EQ(spool.notes.size(), 1u) << "said once";
    disk.refuse_descriptors(0, 0, 0);
    spool.run();
    EXPECT_EQ(answers, asked);
    EXPECT_FALSE(spool.store->refusal());
    EXPECT_EQ(spool.fatal, "");
}

TEST(LogResources, a_stop_in_the_middle_of_it_keeps_what_was_acknowledged) {
    FakeDisk disk;
    std::set<MessageId> acknowledged;
    {
        Spool spool(disk);
        disk.refuse_descriptors(disk.descriptor_calls(), 1'000'000, EMFILE);
        for (int i = 0; i < 100 && !spool.store->refusal(); ++i) {
            const auto id = spool.store->allocate_id();
            spool.store->enqueue(shared_message(id, std::string(9000, 'x')), [&, id](auto result) {
                if (result) acknowledged.insert(id);
            });
            spool.run();
        }
        ASSERT_TRUE(spool.store->refusal());
    }
    disk.refuse_descriptors(0, 0, 0);
    Spool spool(disk);
    const auto messages = spool.load();
    for (const auto id : acknowledged) EXPECT_TRUE(messages.contains(id));
    EXPECT_TRUE(spool.service->report().damages.empty());
}

TEST(LogResources, old_mail_is_found_when_descriptors_are_there_again) {
    FakeDisk disk;
    std::vector<MessageId> waiting;
    {
        Spool spool(disk);
        Traffic traffic(spool);
        traffic.send(40);
        waiting = traffic.waiting();
    }
    for (const auto& path : disk.files())
        if (path.ends_with(".idx")) disk.erase(path);
    for (std::uint64_t first = 0; first < 8; ++first) {
        const auto copy = copy_of(disk);
        Spool spool(*copy, small_options(), false);
        ASSERT_FALSE(spool.error);
        copy->refuse_descriptors(copy->descriptor_calls() + first, 3, EMFILE);
        bool was_last = false;
        std::size_t found = 0;
        spool.store->load([&](const auto& batch, bool last) {
            found += batch.size();
            was_last = last;
        });
        for (int i = 0; i < 20 && !was_last; ++i) spool.run();
        EXPECT_TRUE(was_last);
        EXPECT_EQ(found, waiting.size()) << first;
        EXPECT_EQ(spool.fatal, "");
        EXPECT_TRUE(spool.service->report().damages.empty());
    }
}

}  // namespace
}  // namespace queue::segment_log
