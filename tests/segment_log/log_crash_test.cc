// The log against a model, with the power cut at any moment. A failure names its seed.
#include <algorithm>
#include <cerrno>
#include <random>
#include <set>

#include "queue/segment_log/log_store.h"
#include "tests/segment_log/log_world.h"
#include "tests/support/seeds.h"

namespace queue::segment_log {
namespace {

using Reports = std::vector<std::shared_ptr<const Message>>;

// What was asked for, and what must therefore be on the disk.
//
// The log keeps the order of requests, so an acknowledgement makes everything asked for before it
// certain too.
class Model {
public:
    struct Step {  // a STATE or the DONE
        std::uint64_t order = 0;
        std::uint16_t attempts = 0;
        std::vector<std::uint32_t> recipients;  // whose state it is
        std::vector<MessageId> reports;
    };
    struct Fate {
        Message message;
        std::string body;
        std::uint64_t order = 0;                     // of the enqueue
        std::vector<std::uint16_t> attempts_before;  // of each recipient, at the last start
        std::vector<Step> updates;
        std::optional<Step> finish;
    };

    std::uint64_t next_order() { return ++order_; }
    void acknowledge(std::uint64_t order) {
        lives_.back().certain = std::max(lives_.back().certain, order);
    }
    // What an earlier life asked for is not made certain by this one.
    void begin_life() { lives_.push_back({.begin = order_, .certain = order_}); }

    void enqueue(const Message& message, const std::string& body, std::uint64_t order) {
        Fate fate{.message = message, .body = body, .order = order};
        fate.message.body.clear();
        fate.attempts_before.resize(message.envelope.recipients.size());
        EXPECT_TRUE(fates_.emplace(message.id, std::move(fate)).second);
    }
    Fate& fate(MessageId id) { return fates_.at(id); }
    void allocate(MessageId id) {
        EXPECT_TRUE(allocated_.insert(id).second) << "id " << id << " was given before";
    }

    // Compares with what is there after a start, which from now on is the truth.
    void check(Spool& spool) {
        const auto found = spool.load();
        for (const auto& [id, stored] : found) check_present(id, stored, spool);
        for (auto& [id, fate] : fates_) {
            if (!found.contains(id)) check_absent(id, fate, found);
        }
        std::erase_if(fates_, [&](const auto& entry) { return !found.contains(entry.first); });
        for (auto& [id, fate] : fates_) {
            const auto& states = found.at(id).states;
            for (std::size_t r = 0; r < states.size(); ++r)
                fate.attempts_before.at(r) = states[r].attempts;
            fate.order = 0;
            fate.updates.clear();
            fate.finish.reset();
        }
        lives_ = {{.begin = 0, .certain = order_}};
    }

    std::vector<MessageId> open() const {
        std::vector<MessageId> ids;
        for (const auto& [id, fate] : fates_) {
            if (!fate.finish) ids.push_back(id);
        }
        return ids;
    }

private:
    bool is_certain(std::uint64_t order) const {
        const auto life =
            std::ranges::find_if(lives_.rbegin(), lives_.rend(),
                                 [order](const Life& each) { return order > each.begin; });
        return life == lives_.rend() || order <= life->certain;
    }
    void check_present(MessageId id, const StoredMessage& stored, Spool& spool) {
        const auto known = fates_.find(id);
        ASSERT_NE(known, fates_.end()) << "message " << id << " was invented or came back";
        const auto& fate = known->second;
        EXPECT_FALSE(fate.finish && is_certain(fate.finish->order))
            << "message " << id << " came back from the dead";
        expect_equal(*stored.message, fate.message);
        if (fate.message.facts.size > 0) {
            std::string body;
            while (body.size() < fate.body.size()) {
                auto part = spool.read_body(id, body.size(), 5000);
                ASSERT_TRUE(part) << part.error().text;
                ASSERT_FALSE(part->empty());
                body += *part;
            }
            EXPECT_TRUE(body == fate.body);
        }
        for (std::uint32_t r = 0; r < stored.states.size(); ++r)
            check_state(id, r, stored.states[r].attempts, fate);
    }

    void check_state(MessageId id, std::uint32_t recipient, std::uint16_t attempts,
                     const Fate& fate) {
        auto least = fate.attempts_before.at(recipient);
        bool is_known = attempts == least;
        for (const auto& update : fate.updates) {
            if (!std::ranges::binary_search(update.recipients, recipient)) continue;
            if (is_certain(update.order)) least = update.attempts;
            if (update.attempts == attempts) is_known = true;
            if (update.attempts <= attempts) expect_reports(update);
        }
        EXPECT_TRUE(is_known) << "message " << id
                              << " has a state that nobody wrote, of its recipient " << recipient;
        EXPECT_GE(attempts, least)
            << "message " << id << " has lost the state of its recipient " << recipient;
    }

    void check_absent(MessageId id, const Fate& fate, const auto& found) {
        if (is_certain(fate.order)) {
            EXPECT_TRUE(fate.finish)
                << "message " << id << " was acknowledged and is lost; asked for as number "
                << fate.order;
        }
        // It is gone because it is finished, not because it never was, if its state... we cannot
        // tell; but where its enqueue is certain, only the DONE explains it.
        if (fate.finish && is_certain(fate.order)) {
            for (const auto report : fate.finish->reports) {
                EXPECT_TRUE(found.contains(report) || fates_.at(report).finish)
                    << "message " << id << " is finished without its report " << report;
            }
        }
    }

    void expect_reports(const Step& step) {
        for (const auto report : step.reports) {
            EXPECT_TRUE(fates_.contains(report)) << "report " << report << " is missing";
        }
    }

    std::map<MessageId, Fate> fates_;
    std::set<MessageId> allocated_;
    std::uint64_t order_ = 0;
    struct Life {
        std::uint64_t begin = 0;    // its orders are higher
        std::uint64_t certain = 0;  // of its orders, up to here
    };
    std::vector<Life> lives_ = {{}};
};

LogOptions options_of(std::mt19937_64& rng) {
    auto options = small_options(rng());
    options.segment_bytes = (12 + rng() % 40) << 10;
    options.batch_bytes_max = 1000 + rng() % 30'000;
    options.batch_records_max = 1 + static_cast<std::uint32_t>(rng() % 20);
    options.zero_ahead_bytes = rng() % 3 * 3000;
    options.free_segments_max = static_cast<std::uint32_t>(rng() % 3);
    options.slack_segments = static_cast<std::uint32_t>(rng() % 3);
    options.young_segments = static_cast<std::uint32_t>(rng() % 3);
    return options;
}

// Asks a spool for random things.
class Driver {
public:
    // `only_new`: nothing is asked about messages from before this driver's time.
    Driver(Spool& spool, Model& model, std::mt19937_64& rng, bool only_new = false)
        : spool_(spool), model_(model), rng_(rng), only_new_(only_new) {}

    void act() {
        switch (rng_() % 10) {
            case 0:
            case 1:
            case 2: enqueue(); break;
            case 3: begin_body(); break;
            case 4: continue_body(); break;
            case 5:
                for (auto times = rng_() % 8; times > 0; --times) update();
                break;
            case 6:
            case 7: finish(); break;
            default: spool_.service->step(); break;
        }
        if (rng_() % 2 == 0) spool_.run_posted();
    }

private:
    struct Coming {
        MessageId id = 0;
        std::string body;
        bool may_go_on = true;
    };

    MessageId allocate() {
        const auto id = spool_.store->allocate_id();
        model_.allocate(id);
        new_.insert(id);
        return id;
    }
    Store::OnDone on_done(std::uint64_t order) {
        return [this, order](StoreResult<void> result) {
            // On a full disk mail that was delivered meanwhile is taken, and nothing is certain.
            if (result && !spool_.store->refusal()) model_.acknowledge(order);
        };
    }
    std::string random_body(std::size_t bytes_max) {
        std::string body(rng_() % bytes_max, '\0');
        for (auto& c : body) c = static_cast<char>(rng_());
        return body;
    }
    void enqueue() {
        auto message = make_message(allocate(), random_body(rng_() % 10 == 0 ? 20'000 : 600));
        // Now and then one to many.
        if (rng_() % 3 == 0)
            message.envelope.recipients.resize(3 + rng_() % 40, message.envelope.recipients[0]);
        const auto order = model_.next_order();
        model_.enqueue(message, message.body, order);
        spool_.store->enqueue(std::make_shared<const Message>(std::move(message)), on_done(order));
    }
    void begin_body() {
        if (coming_.size() < 4) coming_.push_back({.id = allocate(), .body = ""});
    }
    void continue_body() {
        if (coming_.empty()) return;
        const auto which = rng_() % coming_.size();
        auto& coming = coming_[which];
        if (coming.body.empty() || rng_() % 3 != 0) {
            auto piece = random_body(8000) + "x";
            coming.body += piece;
            // Written, not certain: no acknowledgement.
            spool_.store->append_body(coming.id, std::move(piece), nullptr);
            return;
        }
        if (rng_() % 4 == 0) {
            spool_.store->discard_body(coming.id);
        } else {
            auto message = large_message(coming.id, coming.body.size());
            const auto order = model_.next_order();
            model_.enqueue(*message, coming.body, order);
            spool_.store->enqueue(std::move(message), on_done(order));
        }
        coming_.erase(coming_.begin() + static_cast<std::ptrdiff_t>(which));
    }
    // A report for one in four.
    Reports make_reports(Model::Step& step) {
        Reports reports;
        if (rng_() % 4 != 0) return reports;
        const auto id = allocate();
        auto message = make_message(id, "a report");
        model_.enqueue(message, message.body, step.order);
        step.reports.push_back(id);
        reports.push_back(std::make_shared<const Message>(std::move(message)));
        return reports;
    }
    std::optional<MessageId> pick() {
        auto open = model_.open();
        if (only_new_) std::erase_if(open, [&](MessageId id) { return !new_.contains(id); });
        if (open.empty()) return std::nullopt;
        return open[rng_() % open.size()];
    }
    void update() {
        const auto id = pick();
        if (!id) return;
        Model::Step step{.order = model_.next_order()};
        const auto& fate = model_.fate(*id);
        step.attempts = static_cast<std::uint16_t>((fate.updates.empty()
                                                        ? std::ranges::max(fate.attempts_before)
                                                        : fate.updates.back().attempts) +
                                                   1);
        StateChanges changes;
        changes.recipients = static_cast<std::uint32_t>(fate.attempts_before.size());
        const bool are_all = rng_() % 4 == 0;
        for (std::uint32_t r = 0; r < changes.recipients; ++r) {
            if (!are_all && rng_() % changes.recipients >= 2) continue;
            step.recipients.push_back(r);
            changes.changes.push_back({r, make_states(step.attempts)[0]});
        }
        auto reports = make_reports(step);
        spool_.store->update(*id, std::move(changes), std::move(reports));
        model_.fate(*id).updates.push_back(std::move(step));
    }
    void finish() {
        const auto id = pick();
        if (!id) return;
        Model::Step step{.order = model_.next_order()};
        auto reports = make_reports(step);
        const auto order = step.order;
        model_.fate(*id).finish = std::move(step);
        spool_.store->finish(*id, std::move(reports), on_done(order));
    }

    Spool& spool_;
    Model& model_;
    std::mt19937_64& rng_;
    const bool only_new_;
    std::set<MessageId> new_;
    std::vector<Coming> coming_;
};

FakeDisk::Cut random_cut(std::mt19937_64& rng) { return static_cast<FakeDisk::Cut>(rng() % 4); }

void expect_no_damage(const Spool& spool) {
    for (const auto& damage : spool.service->report().damages) {
        ADD_FAILURE() << "segment " << damage.segment << " at " << damage.offset << ", "
                      << damage.bytes << " bytes: " << damage.what;
    }
}

// What the runs came across, so that they do not come to test nothing.
struct Seen {
    std::uint64_t recycled = 0;
    std::uint64_t copied_bytes = 0;
    std::uint64_t lives_before_loading = 0;

    void note(const Spool& spool) {
        recycled += spool.service->statistics().recycled;
        copied_bytes += spool.service->statistics().copied_bytes;
    }
};

// Several lives of one spool, each ended by a cut; sometimes the start itself is cut short, or the
// end comes before what is queued has been found.
void live_and_die(std::uint64_t seed, Seen& seen) {
    std::mt19937_64 rng(seed);
    Model model;
    auto disk = std::make_unique<FakeDisk>();
    for (int life = 0; life < 4; ++life) {
        if (rng() % 3 == 0) disk->cut_power_at(rng() % 12);
        const bool is_loaded = rng() % 4 != 0;
        auto spool = std::make_unique<Spool>(*disk, options_of(rng), is_loaded);
        if (spool->error) {
            disk = disk->after_power_cut(rng(), random_cut(rng));
            continue;
        }
        disk->cut_power_at(UINT64_MAX);
        expect_no_damage(*spool);
        model.begin_life();
        if (is_loaded) model.check(*spool);
        seen.lives_before_loading += is_loaded ? 0 : 1;
        if (testing::Test::HasFailure()) return;
        Driver driver(*spool, model, rng, !is_loaded);
        if (rng() % 2 == 0) disk->cut_power_at(disk->calls() + rng() % 60);
        for (auto steps = 10 + rng() % 60; steps > 0; --steps) driver.act();
        if (rng() % 8 == 0) {
            spool->run();
            seen.note(*spool);
            spool.reset();  // a tidy end
        } else {
            seen.note(*spool);
        }
        if (rng() % 4 == 0) {
            // Only the process dies: what it wrote and did not sync is still to be seen, but not
            // certain.
            disk->cut_power_at(disk->calls());
            spool.reset();
            disk->cut_power_at(UINT64_MAX);
            continue;
        }
        auto next = disk->after_power_cut(rng(), random_cut(rng));
        spool.reset();
        disk = std::move(next);
    }
    Spool spool(*disk);
    ASSERT_FALSE(spool.error) << spool.error->text;
    expect_no_damage(spool);
    model.check(spool);
}

TEST(LogCrash, acknowledged_mail_survives_and_finished_mail_stays_gone) {
    Seen seen;
    const tests::Seeds chosen{.fixed = 2000, .fresh = 1000, .found = {}};
    const auto seeds = chosen.of_this_run();
    for (const auto seed : seeds) {
        SCOPED_TRACE(tests::how_to_replay(seed));
        live_and_die(seed, seen);
        if (HasFailure()) return;
    }
    if (seeds.size() < 100) return;  // a replay: too few to expect a bit of everything
    EXPECT_GT(seen.recycled, seeds.size() / 3);
    EXPECT_GT(seen.copied_bytes, seeds.size() * 1000);
    EXPECT_GT(seen.lives_before_loading, seeds.size() / 3);
}

// The same run again and again, with the power cut, or one call failing, at each of its calls.
class EachCall {
public:
    enum class Trouble : std::uint8_t { power_cut, eio_once, enospc_for_ever };

private:
    static void expect_refusal_once_broken(Spool& spool, Trouble trouble) {
        EXPECT_FALSE(spool.service->step());
        if (spool.fatal.empty()) return;
        const auto kind = trouble == Trouble::enospc_for_ever ? StoreError::Kind::no_space
                                                              : StoreError::Kind::broken;
        const auto result = spool.enqueue(shared_message(spool.store->allocate_id(), "late"));
        EXPECT_FALSE(result);
        EXPECT_EQ(result.error().kind, kind);
        EXPECT_EQ(spool.store->refusal()->kind, kind);
    }

public:
    // False: the run made fewer calls.
    bool run(std::uint64_t call, Trouble trouble, FakeDisk::Cut cut) {
        FakeDisk disk;
        switch (trouble) {
            case Trouble::power_cut: disk.cut_power_at(call); break;
            case Trouble::eio_once: disk.fail_at(call, EIO); break;
            case Trouble::enospc_for_ever: disk.fail_at(call, ENOSPC, true); break;
        }
        std::mt19937_64 rng(7);
        Model model;
        auto options = small_options(7);
        options.segment_bytes = 16u << 10;
        std::unique_ptr<FakeDisk> left;
        {
            Spool spool(disk, options);
            if (spool.error) {
                EXPECT_NE(spool.error->text, "");
            } else {
                Driver driver(spool, model, rng);
                for (int i = 0; i < 100; ++i) driver.act();
                spool.run();
                expect_refusal_once_broken(spool, trouble);
            }
            left = disk.after_power_cut(call, cut);
        }
        Spool spool(*left, options);
        EXPECT_FALSE(spool.error) << spool.error->text;
        if (spool.error) return false;
        expect_no_damage(spool);
        model.check(spool);
        return disk.calls() > call;
    }
};

TEST(LogCrash, survives_trouble_at_each_call_of_the_disk) {
    using Trouble = EachCall::Trouble;
    for (const auto trouble : {Trouble::power_cut, Trouble::eio_once, Trouble::enospc_for_ever}) {
        for (const auto cut : {FakeDisk::Cut::nothing_unsynced, FakeDisk::Cut::everything_unsynced,
                               FakeDisk::Cut::at_random}) {
            bool was_reached = true;
            std::uint64_t call = 0;
            for (; was_reached && !HasFailure(); ++call) {
                SCOPED_TRACE("trouble " + std::to_string(static_cast<int>(trouble)) + ", cut " +
                             std::to_string(static_cast<int>(cut)) + ", call " +
                             std::to_string(call));
                was_reached = EachCall().run(call, trouble, cut);
            }
            EXPECT_GT(call, 50u) << "the run is too short to mean anything";
        }
    }
}

TEST(LogCrash, pieces_of_a_body_are_not_certain_before_their_message_is) {
    FakeDisk disk;
    Spool spool(disk);
    const auto before = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(shared_message(before, "certain")));
    const auto id = spool.store->allocate_id();
    spool.store->append_body(id, std::string(8000, 'x'), nullptr);
    spool.run();
    disk.cut_power_at(disk.calls() + 1);  // written, not synced
    EXPECT_FALSE(spool.enqueue(large_message(id, 8000)));
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const auto left = disk.after_power_cut(seed, FakeDisk::Cut::at_random);
        Spool later(*left);
        expect_no_damage(later);
        EXPECT_TRUE(later.load().contains(before));
    }
}

// A segment whose removal failed once, and the one with its DONEs, go at the next start, in one
// pass. Wherever that is cut short, the finished message must not come back.
TEST(LogCrash, a_home_goes_for_certain_before_its_dones) {
    FakeDisk disk;
    auto options = small_options();
    options.segment_bytes = 16u << 10;
    const std::string filling(9000, 'x');
    MessageId finished = 0;
    {
        Spool spool(disk, options);
        finished = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(finished, filling)));
    }
    {
        Spool spool(disk, options);
        const auto other = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(other, filling)));
        spool.store->finish(other, {}, nullptr);
        disk.fail_at(disk.calls() + 3,
                     EIO);  // behind write, sync and its digest: the segment itself
        ASSERT_TRUE(spool.finish(finished));
        EXPECT_FALSE(spool.fatal != "");
        EXPECT_EQ(spool.service->statistics().segments, 2u) << "the first one could not go";
    }
    const auto calls = copy_of(disk);
    {
        const Spool whole(*calls, options);
    }
    for (std::uint64_t call = 0; call <= calls->calls(); ++call) {
        for (std::uint64_t seed = 0; seed < 40; ++seed) {
            SCOPED_TRACE("call " + std::to_string(call) + ", seed " + std::to_string(seed));
            const auto cut = copy_of(disk);
            cut->cut_power_at(call);
            std::unique_ptr<FakeDisk> left;
            {
                const Spool spool(*cut, options);
                left = cut->after_power_cut(seed, FakeDisk::Cut::at_random);
            }
            Spool later(*left, options);
            ASSERT_FALSE(later.error);
            expect_no_damage(later);
            ASSERT_TRUE(later.load().empty()) << "the finished message came back";
        }
    }
}

// The control: without the syncs these tests must lose mail, or they prove nothing.
class LyingDisk final : public Disk {
public:
    explicit LyingDisk(FakeDisk& disk) : disk_(disk) {}
    [[nodiscard]] const std::string& root() const override { return disk_.root(); }
    DiskResult<std::unique_ptr<DiskFile>> create(const std::string& path) override {
        return wrap(disk_.create(path));
    }
    DiskResult<std::unique_ptr<DiskFile>> open(const std::string& path) override {
        return wrap(disk_.open(path));
    }
    DiskResult<void> rename(const std::string& from, const std::string& to) override {
        return disk_.rename(from, to);
    }
    DiskResult<void> remove(const std::string& path) override { return disk_.remove(path); }
    DiskResult<std::vector<std::string>> list(const std::string& directory) override {
        return disk_.list(directory);
    }
    DiskResult<void> make_directory(const std::string& directory) override {
        return disk_.make_directory(directory);
    }
    DiskResult<void> sync_directory(const std::string& directory) override {
        return disk_.sync_directory(directory);
    }
    DiskResult<DiskSpace> space() override { return disk_.space(); }
    DiskResult<std::unique_ptr<Lock>> lock(const std::string& path) override {
        return disk_.lock(path);
    }

private:
    class LyingFile final : public DiskFile {
    public:
        explicit LyingFile(std::unique_ptr<DiskFile> file) : file_(std::move(file)) {}
        DiskResult<void> write(std::uint64_t offset, std::string_view bytes) override {
            return file_->write(offset, bytes);
        }
        DiskResult<std::string> read(std::uint64_t offset, std::size_t length) override {
            return file_->read(offset, length);
        }
        DiskResult<void> sync() override { return {}; }
        void start_writing(std::uint64_t, std::uint64_t) override {}
        DiskResult<void> resize(std::uint64_t bytes) override { return file_->resize(bytes); }
        DiskResult<std::uint64_t> size() override { return file_->size(); }

    private:
        std::unique_ptr<DiskFile> file_;
    };
    static DiskResult<std::unique_ptr<DiskFile>> wrap(DiskResult<std::unique_ptr<DiskFile>> file) {
        if (!file) return file;
        return std::make_unique<LyingFile>(std::move(*file));
    }
    FakeDisk& disk_;
};

TEST(LogCrash, a_disk_that_does_not_sync_loses_mail) {
    FakeDisk disk;
    LyingDisk lying(disk);
    std::unique_ptr<FakeDisk> left;
    MessageId id = 0;
    {
        Spool spool(lying);
        id = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(id, "body")));
        left = disk.after_power_cut(1, FakeDisk::Cut::nothing_unsynced);
    }
    Spool spool(*left);
    EXPECT_FALSE(spool.load().contains(id));
}

// At the very moment of each acknowledgement, everything that is not synced is lost.
TEST(LogCrash, no_acknowledgement_comes_before_the_sync_that_covers_it) {
    FakeDisk disk;
    auto options = small_options();
    options.segment_bytes = 16u << 10;
    Spool spool(disk, options);
    std::vector<std::pair<MessageId, std::unique_ptr<FakeDisk>>> moments;
    for (int i = 0; i < 60; ++i) {
        const auto id = spool.store->allocate_id();
        auto message = shared_message(id, std::string(static_cast<std::size_t>(i) * 20, 'x'));
        if (i % 5 == 0) {
            spool.store->append_body(id, std::string(9000, 'y'), nullptr);
            message = large_message(id, 9000);
        }
        spool.store->enqueue(message, [&, id](auto result) {
            ASSERT_TRUE(result);
            moments.emplace_back(id, disk.after_power_cut(1, FakeDisk::Cut::nothing_unsynced));
        });
        if (i % 3 == 0) spool.run();
    }
    spool.run();
    ASSERT_EQ(moments.size(), 60u);
    for (const auto& [id, moment] : moments) {
        Spool later(*moment, options);
        EXPECT_TRUE(later.load().contains(id)) << id;
    }
}

}  // namespace
}  // namespace queue::segment_log
