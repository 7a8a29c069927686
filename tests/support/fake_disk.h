#pragma once
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/disk.h"

namespace queue::segment_log {

// A disk in memory that knows what a power cut would leave: for each file what is synced and which
// writes came since, for the folders which names are synced and which changes came since.
//
// after_power_cut() makes the disk that a machine finds when it comes back. Of the writes not
// synced, each 512-byte sector may be there or not, each on its own; of the changes of names, each
// may be there or not.
//
// Changes (create, write, sync, resize, rename, remove, make_directory, sync_directory) are counted
// from zero; fail_at() and cut_power_at() act on that count. Folders exist by being named.
class FakeDisk final : public Disk {
public:
    enum class Cut : std::uint8_t {
        nothing_unsynced,     // what was not synced is gone
        everything_unsynced,  // all of it made it: as after kill -9
        in_order,             // a prefix of it, the last write torn
        at_random,            // any part of it
    };
    struct Event {
        std::string what;  // the call's name
        std::string path;
    };

    FakeDisk() = default;

    [[nodiscard]] std::unique_ptr<FakeDisk> after_power_cut(std::uint64_t seed, Cut cut) const {
        const mta::MutexLock lock(mutex_);
        auto disk = std::make_unique<FakeDisk>();
        const mta::MutexLock new_lock(disk->mutex_);
        std::mt19937_64 rng(seed);
        std::map<const Inode*, std::shared_ptr<Inode>> copies;
        for (const auto& [path, inode] : names_after(rng, cut)) {
            auto& copy = copies[inode.get()];
            if (!copy) {
                copy = std::make_shared<Inode>();
                copy->synced = content_after(*inode, rng, cut);
                copy->seen = copy->synced;
            }
            disk->seen_[path] = copy;
        }
        disk->synced_ = disk->seen_;
        disk->space_ = space_;
        return disk;
    }

    // The change with this number, and with `for_ever` all later ones, fails with `code` (EIO,
    // ENOSPC). A failing write leaves half of its bytes. ENOMEM leaves syncs alone: a Disk never
    // says of one that it may succeed later.
    void fail_at(std::uint64_t call, int code, bool for_ever = false) {
        const mta::MutexLock lock(mutex_);
        fail_call_ = call;
        fail_code_ = code;
        fail_for_ever_ = for_ever;
    }
    // Every attempt to rename or remove that file fails.
    void refuse_to_move(std::string path) {
        const mta::MutexLock lock(mutex_);
        unmovable_ = std::move(path);
    }
    // Calls that need a descriptor (create, open, list, sync_directory) are counted, too: `count`
    // of them from that one on fail with `code` (EMFILE, ENFILE).
    void refuse_descriptors(std::uint64_t first, std::uint64_t count, int code) {
        const mta::MutexLock lock(mutex_);
        refuse_first_ = first;
        refuse_count_ = count;
        refuse_code_ = code;
    }
    [[nodiscard]] std::uint64_t descriptor_calls() const {
        const mta::MutexLock lock(mutex_);
        return descriptor_calls_;
    }
    // A write that would need more than that for all files writes what there is room for, and fails
    // with ENOSPC.
    void set_capacity(std::uint64_t bytes) {
        const mta::MutexLock lock(mutex_);
        capacity_bytes_ = bytes;
    }
    [[nodiscard]] std::uint64_t used_bytes() const {
        const mta::MutexLock lock(mutex_);
        return used_bytes_here();
    }
    [[nodiscard]] std::uint64_t written_bytes() const {
        const mta::MutexLock lock(mutex_);
        return written_bytes_;
    }
    // Called before the next read of a file, once, with nothing locked: what another thread might
    // do at that moment.
    void before_next_read(std::function<void()> meanwhile) {
        const mta::MutexLock lock(mutex_);
        before_read_ = std::move(meanwhile);
    }
    // Every attempt to open that file fails with `code`; no code: it works again.
    void refuse_to_open(std::string path, int code) {
        const mta::MutexLock lock(mutex_);
        unopenable_ = code == 0 ? std::string() : std::move(path);
        open_code_ = code;
    }
    // From that change on everything fails and changes nothing: the machine is off.
    void cut_power_at(std::uint64_t call) {
        const mta::MutexLock lock(mutex_);
        off_call_ = call;
    }
    [[nodiscard]] std::uint64_t calls() const {
        const mta::MutexLock lock(mutex_);
        return calls_;
    }
    // As before the first start: the first make_directory() makes it.
    void remove_root() {
        const mta::MutexLock lock(mutex_);
        has_root_ = false;
    }
    void set_space(DiskSpace space) {
        const mta::MutexLock lock(mutex_);
        space_ = space;
    }

    // What programs see now (not what a power cut would leave).
    [[nodiscard]] std::vector<std::string> files() const {
        const mta::MutexLock lock(mutex_);
        std::vector<std::string> paths;
        for (const auto& [path, inode] : seen_) paths.push_back(path);
        return paths;
    }
    [[nodiscard]] std::string content(const std::string& path) const {
        const mta::MutexLock lock(mutex_);
        const auto found = seen_.find(path);
        return found == seen_.end() ? std::string() : found->second->seen;
    }
    // Makes or replaces a file, synced: damage, or a spool made by hand.
    void put(const std::string& path, std::string bytes) {
        const mta::MutexLock lock(mutex_);
        auto& inode = seen_[path];
        if (!inode) inode = std::make_shared<Inode>();
        inode->seen = std::move(bytes);
        inode->synced = inode->seen;
        inode->unsynced.clear();
        synced_[path] = inode;
    }
    void erase(const std::string& path) {
        const mta::MutexLock lock(mutex_);
        seen_.erase(path);
        synced_.erase(path);
    }
    [[nodiscard]] int open_files() const { return open_files_; }
    [[nodiscard]] std::vector<Event> events() const {
        const mta::MutexLock lock(mutex_);
        return events_;
    }

    [[nodiscard]] const std::string& root() const override { return root_; }

    DiskResult<std::unique_ptr<DiskFile>> create(const std::string& path) override {
        const mta::MutexLock lock(mutex_);
        if (auto taken = take_descriptor("create", path); !taken) return fail(taken);
        if (auto entered = enter("create", path); !entered) return fail(entered);
        if (seen_.contains(path)) return error(EEXIST, "create", path);
        auto inode = std::make_shared<Inode>();
        seen_[path] = inode;
        unsynced_names_.push_back({NameChange::Kind::link, path, "", inode});
        return std::make_unique<FakeFile>(*this, std::move(inode), path);
    }
    DiskResult<std::unique_ptr<DiskFile>> open(const std::string& path) override {
        const mta::MutexLock lock(mutex_);
        if (auto taken = take_descriptor("open", path); !taken) return fail(taken);
        const auto found = seen_.find(path);
        if (found == seen_.end()) return error(ENOENT, "open", path);
        if (path == unopenable_) return error(open_code_, "open", path);
        return std::make_unique<FakeFile>(*this, found->second, path);
    }
    DiskResult<void> rename(const std::string& from, const std::string& to) override {
        const mta::MutexLock lock(mutex_);
        if (auto entered = enter("rename", from); !entered) return entered;
        const auto found = seen_.find(from);
        if (found == seen_.end()) return error(ENOENT, "rename", from);
        auto inode = found->second;
        seen_.erase(found);
        seen_[to] = inode;
        unsynced_names_.push_back({NameChange::Kind::rename, from, to, std::move(inode)});
        return {};
    }
    DiskResult<void> remove(const std::string& path) override {
        const mta::MutexLock lock(mutex_);
        if (auto entered = enter("remove", path); !entered) return entered;
        const auto found = seen_.find(path);
        if (found == seen_.end()) return error(ENOENT, "remove", path);
        unsynced_names_.push_back({NameChange::Kind::remove, path, "", found->second});
        seen_.erase(found);
        return {};
    }
    DiskResult<std::vector<std::string>> list(const std::string& directory) override {
        const mta::MutexLock lock(mutex_);
        if (auto taken = take_descriptor("list", directory); !taken) return fail(taken);
        std::vector<std::string> names;
        for (const auto& [path, inode] : seen_) {
            if (folder_of(path) == directory) names.push_back(path.substr(path.rfind('/') + 1));
        }
        std::ranges::sort(names);
        return names;
    }
    DiskResult<void> make_directory(const std::string& directory) override {
        const mta::MutexLock lock(mutex_);
        auto made = enter("make_directory", directory);
        has_root_ = has_root_ || made;
        return made;
    }
    DiskResult<void> sync_directory(const std::string& directory) override {
        const mta::MutexLock lock(mutex_);
        if (auto taken = take_descriptor("sync_directory", directory); !taken) return taken;
        if (auto entered = enter("sync_directory", directory); !entered) return entered;
        std::vector<NameChange> left;
        for (auto& change : unsynced_names_) {
            // A rename is certain with the folder that it leads to.
            const auto& name = change.kind == NameChange::Kind::rename ? change.to : change.from;
            const bool touches = folder_of(name) == directory;
            if (!touches) {
                left.push_back(std::move(change));
                continue;
            }
            if (change.kind == NameChange::Kind::rename) {
                // A file whose new name is certain has lost its old one, certain or not.
                std::erase_if(left, [&](const NameChange& earlier) {
                    return earlier.inode == change.inode && earlier.from == change.from;
                });
                synced_[change.to] = change.inode;
            }
            apply(synced_, change);
        }
        unsynced_names_ = std::move(left);
        return {};
    }
    DiskResult<DiskSpace> space() override {
        const mta::MutexLock lock(mutex_);
        if (!has_root_) return error(ENOENT, "learn the free space of", "");
        auto space = space_;
        space.free_bytes = std::min(space.free_bytes,
                                    capacity_bytes_ - std::min(capacity_bytes_, used_bytes_here()));
        return space;
    }
    DiskResult<std::unique_ptr<Lock>> lock(const std::string& path) override {
        const mta::MutexLock lock(mutex_);
        if (*locked_) return error(EWOULDBLOCK, "lock", path);
        return std::make_unique<FakeLock>(locked_);
    }

private:
    static constexpr std::size_t sector_bytes = 512;

    struct Change {  // of a file's content, not synced
        bool is_resize = false;
        std::uint64_t offset = 0;  // or the new size
        std::string bytes;
    };
    struct Inode {
        std::string synced;
        std::string seen;
        std::vector<Change> unsynced;
    };
    struct NameChange {  // not synced
        enum class Kind : std::uint8_t { link, rename, remove } kind = Kind::link;
        std::string from;  // or the only name
        std::string to;
        std::shared_ptr<Inode> inode;
    };
    using Names = std::map<std::string, std::shared_ptr<Inode>>;

    class FakeLock final : public Lock {
    public:
        explicit FakeLock(std::shared_ptr<bool> locked) : locked_(std::move(locked)) {
            *locked_ = true;
        }
        ~FakeLock() override { *locked_ = false; }

    private:
        std::shared_ptr<bool> locked_;
    };

    class FakeFile final : public DiskFile {
    public:
        FakeFile(FakeDisk& disk, std::shared_ptr<Inode> inode, std::string path)
            : disk_(disk), inode_(std::move(inode)), path_(std::move(path)) {
            ++disk_.open_files_;
        }
        FakeFile(const FakeFile&) = delete;
        FakeFile& operator=(const FakeFile&) = delete;
        ~FakeFile() override { --disk_.open_files_; }

        DiskResult<void> write(std::uint64_t offset, std::string_view bytes) override {
            const mta::MutexLock lock(disk_.mutex_);
            const auto end = offset + bytes.size();
            const auto growth = end - std::min<std::uint64_t>(end, inode_->seen.size());
            const bool is_limited = disk_.capacity_bytes_ != UINT64_MAX;
            const auto room =
                disk_.capacity_bytes_ - std::min(disk_.capacity_bytes_, disk_.used_bytes_here());
            if (is_limited && growth > room) {
                const auto left = end - growth + room;
                if (left > offset) {
                    bytes = bytes.substr(0, static_cast<std::size_t>(left - offset));
                    disk_.change(*inode_, {false, offset, std::string(bytes)});
                }
                return disk_.error(ENOSPC, "write", path_);
            }
            disk_.written_bytes_ += bytes.size();
            auto entered = disk_.enter("write", path_);
            if (!entered && disk_.is_off()) return entered;
            if (!entered) bytes = bytes.substr(0, bytes.size() / 2);
            disk_.change(*inode_, {false, offset, std::string(bytes)});
            return entered;
        }
        DiskResult<std::string> read(std::uint64_t offset, std::size_t length) override {
            if (auto meanwhile = disk_.take_before_read()) meanwhile();
            const mta::MutexLock lock(disk_.mutex_);
            const auto& seen = inode_->seen;
            return offset >= seen.size() ? std::string()
                                         : seen.substr(static_cast<std::size_t>(offset), length);
        }
        DiskResult<void> sync() override {
            const mta::MutexLock lock(disk_.mutex_);
            if (auto entered = disk_.enter("sync", path_); !entered) {
                // As in the kernel: the pages stay to be read, count as clean, and no later sync
                // writes them.
                if (!disk_.is_off()) inode_->unsynced.clear();
                return entered;
            }
            // Not a copy of all that is seen: a large file is synced often.
            for (const auto& change : inode_->unsynced) apply(inode_->synced, change);
            inode_->unsynced.clear();
            return {};
        }
        void start_writing(std::uint64_t, std::uint64_t) override {}
        DiskResult<void> resize(std::uint64_t bytes) override {
            const mta::MutexLock lock(disk_.mutex_);
            if (auto entered = disk_.enter("resize", path_); !entered) return entered;
            disk_.change(*inode_, {true, bytes, {}});
            return {};
        }
        DiskResult<std::uint64_t> size() override {
            const mta::MutexLock lock(disk_.mutex_);
            return inode_->seen.size();
        }

    private:
        FakeDisk& disk_;
        std::shared_ptr<Inode> inode_;
        std::string path_;
    };

    [[nodiscard]] std::function<void()> take_before_read() {
        const mta::MutexLock lock(mutex_);
        return std::exchange(before_read_, nullptr);
    }
    static std::string folder_of(const std::string& path) {
        const auto slash = path.rfind('/');
        return slash == path.npos ? std::string() : path.substr(0, slash);
    }
    std::unexpected<DiskError> error(int code, const std::string& what, const std::string& path) {
        return std::unexpected(DiskError{
            code, "cannot " + what + " " + root_ + "/" + path + ": error " + std::to_string(code)});
    }
    static std::unexpected<DiskError> fail(DiskResult<void>& result) {
        return std::unexpected(std::move(result).error());
    }
    [[nodiscard]] bool is_off() const REQUIRES(mutex_) { return calls_ > off_call_; }

    DiskResult<void> take_descriptor(const std::string& what, const std::string& path)
        REQUIRES(mutex_) {
        const auto call = descriptor_calls_++;
        if (call < refuse_first_ || call - refuse_first_ >= refuse_count_) return {};
        return error(refuse_code_, what, path);
    }
    [[nodiscard]] std::uint64_t used_bytes_here() const REQUIRES(mutex_) {
        std::uint64_t bytes = 0;
        for (const auto& [path, inode] : seen_) bytes += inode->seen.size();
        return bytes;
    }

    // Counts the call; an error if it is to fail.
    DiskResult<void> enter(const std::string& what, const std::string& path) REQUIRES(mutex_) {
        const auto call = calls_++;
        if ((what == "rename" || what == "remove") && path == unmovable_) {
            return error(EIO, what, path);
        }
        if (call >= off_call_) return error(EIO, what, path);
        if (call == fail_call_ || (fail_for_ever_ && call > fail_call_)) {
            // A failed sync is for good, so a Disk never calls it passing.
            if (what != "sync" || fail_code_ != ENOMEM) return error(fail_code_, what, path);
        }
        events_.push_back({what, path});
        return {};
    }

    void change(Inode& inode, Change made) {
        apply(inode.seen, made);
        inode.unsynced.push_back(std::move(made));
    }
    static void apply(std::string& content, const Change& change) {
        const auto offset = static_cast<std::size_t>(change.offset);
        if (change.is_resize) {
            content.resize(offset);
            return;
        }
        if (content.size() < offset + change.bytes.size()) {
            content.resize(offset + change.bytes.size());
        }
        content.replace(offset, change.bytes.size(), change.bytes);
    }
    static void apply(Names& names, const NameChange& change) {
        switch (change.kind) {
            case NameChange::Kind::link: names[change.from] = change.inode; break;
            case NameChange::Kind::remove: {
                const auto found = names.find(change.from);
                if (found != names.end() && found->second == change.inode) names.erase(found);
                break;
            }
            case NameChange::Kind::rename: {
                // Its creation may have been lost: then there is nothing to rename.
                const auto found = names.find(change.from);
                if (found == names.end() || found->second != change.inode) break;
                names.erase(found);
                names[change.to] = change.inode;
                break;
            }
        }
    }

    [[nodiscard]] Names names_after(std::mt19937_64& rng, Cut cut) const REQUIRES(mutex_) {
        auto names = synced_;
        auto prefix = rng() % (unsynced_names_.size() + 1);
        for (const auto& change : unsynced_names_) {
            if (cut == Cut::nothing_unsynced) break;
            if (cut == Cut::in_order && prefix-- == 0) break;
            if (cut == Cut::at_random && rng() % 2 == 0) continue;
            apply(names, change);
        }
        return names;
    }
    static std::string content_after(const Inode& inode, std::mt19937_64& rng, Cut cut) {
        auto content = inode.synced;
        auto prefix = rng() % (inode.unsynced.size() + 1);
        // So that mostly lost and mostly written are as frequent as half and half.
        const auto kept_percent = rng() % 101;
        for (const auto& change : inode.unsynced) {
            if (cut == Cut::nothing_unsynced) break;
            const bool is_torn = cut == Cut::in_order && prefix-- == 0;
            if (is_torn && !change.is_resize) {
                apply(content, {false, change.offset,
                                change.bytes.substr(0, rng() % (change.bytes.size() + 1))});
            }
            if (is_torn) break;
            if (cut != Cut::at_random) {
                apply(content, change);
            } else if (change.is_resize) {
                if (rng() % 100 < kept_percent) apply(content, change);
            } else {
                apply_sectors(content, change, rng, kept_percent);
            }
        }
        return content;
    }
    static void apply_sectors(std::string& content, const Change& change, std::mt19937_64& rng,
                              std::uint64_t kept_percent) {
        for (std::size_t done = 0; done < change.bytes.size();) {
            const auto offset = change.offset + done;
            const auto step = std::min<std::size_t>(sector_bytes - offset % sector_bytes,
                                                    change.bytes.size() - done);
            if (rng() % 100 < kept_percent) {
                apply(content, {false, offset, change.bytes.substr(done, step)});
            }
            done += step;
        }
    }

    std::string root_ = "/fake/spool";
    std::atomic<int> open_files_ = 0;
    mutable mta::Mutex mutex_;
    Names seen_ GUARDED_BY(mutex_);
    Names synced_ GUARDED_BY(mutex_);
    std::vector<NameChange> unsynced_names_ GUARDED_BY(mutex_);
    std::vector<Event> events_ GUARDED_BY(mutex_);
    bool has_root_ GUARDED_BY(mutex_) = true;
    DiskSpace space_ GUARDED_BY(mutex_){1'000'000'000'000, 1'000'000'000'000};
    std::uint64_t calls_ GUARDED_BY(mutex_) = 0;
    std::uint64_t fail_call_ GUARDED_BY(mutex_) = UINT64_MAX;
    int fail_code_ GUARDED_BY(mutex_) = 0;
    bool fail_for_ever_ GUARDED_BY(mutex_) = false;
    std::uint64_t off_call_ GUARDED_BY(mutex_) = UINT64_MAX;
    std::string unmovable_ GUARDED_BY(mutex_);
    std::function<void()> before_read_ GUARDED_BY(mutex_);
    std::uint64_t descriptor_calls_ GUARDED_BY(mutex_) = 0;
    std::uint64_t refuse_first_ GUARDED_BY(mutex_) = UINT64_MAX;
    std::uint64_t refuse_count_ GUARDED_BY(mutex_) = 0;
    int refuse_code_ GUARDED_BY(mutex_) = 0;
    std::uint64_t capacity_bytes_ GUARDED_BY(mutex_) = UINT64_MAX;
    std::uint64_t written_bytes_ GUARDED_BY(mutex_) = 0;
    std::string unopenable_ GUARDED_BY(mutex_);
    int open_code_ GUARDED_BY(mutex_) = 0;
    std::shared_ptr<bool> locked_ = std::make_shared<bool>(false);
};

}  // namespace queue::segment_log
