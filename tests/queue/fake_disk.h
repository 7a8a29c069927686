#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "queue/log/disk.h"

namespace queue::log {

// A disk in memory that knows what a power cut would leave: for each file what is synced and which
// writes came since, for the folders which names are synced and which changes came since.
//
// after_power_cut() makes the disk that a machine finds when it comes back. Of the writes not
// synced, each 512-byte sector may be there or not, each on its own; of the changes of names, each
// may be there or not.
//
// Calls are counted from zero (all but list, size, space, read and lock); fail_at() and
// cut_power_at() act on that count.
class FakeDisk final : public Disk {
public:
    enum class Cut : std::uint8_t {
        nothing_unsynced,     // what was not synced is gone
        everything_unsynced,  // all of it made it: as after kill -9
        in_order,             // a prefix of it, the last write torn
        at_random,            // any part of it
    };
    // One change, for tests that look at the order of things.
    struct Event {
        std::string
            what;  // "create", "write", "sync", "resize", "rename", "remove", "sync_directory"
        std::string path;
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };

    FakeDisk();
    ~FakeDisk() override;

    [[nodiscard]] std::unique_ptr<FakeDisk> after_power_cut(std::uint64_t seed, Cut cut) const;

    // The call with this number, and with `for_ever` all later ones, fails with `code` (EIO,
    // ENOSPC). A failing write leaves half of its bytes.
    void fail_at(std::uint64_t call, int code, bool for_ever = false);
    // From that call on everything fails and changes nothing: the machine is off.
    void cut_power_at(std::uint64_t call);
    [[nodiscard]] std::uint64_t calls() const;
    void set_space(DiskSpace space);

    // What programs see now (not what a power cut would leave).
    [[nodiscard]] std::vector<std::string> files() const;
    [[nodiscard]] std::string content(const std::string& path) const;
    // Replaces a file's bytes, synced: damage, or a spool made by hand.
    void put(const std::string& path, std::string bytes);
    void erase(const std::string& path);
    [[nodiscard]] std::vector<Event> events() const;

    [[nodiscard]] const std::string& root() const override { return root_; }
    DiskResult<std::unique_ptr<DiskFile>> create(const std::string& path) override;
    DiskResult<std::unique_ptr<DiskFile>> open(const std::string& path) override;
    DiskResult<void> rename(const std::string& from, const std::string& to) override;
    DiskResult<void> remove(const std::string& path) override;
    DiskResult<std::vector<std::string>> list(const std::string& directory) override;
    DiskResult<void> make_directory(const std::string& directory) override;
    DiskResult<void> sync_directory(const std::string& directory) override;
    DiskResult<DiskSpace> space() override;
    DiskResult<std::unique_ptr<Lock>> lock(const std::string& path) override;

private:
    friend class FakeFile;
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

    // Counts the call; an error if it is to fail.
    DiskResult<void> enter(const std::string& what, const std::string& path);
    static void apply(std::string& content, const Change& change);

    std::string root_ = "/fake/spool";
    mutable std::mutex mutex_;
    Names seen_;
    Names synced_;
    std::vector<NameChange> unsynced_names_;
    std::vector<Event> events_;
    DiskSpace space_{1'000'000'000'000, 1'000'000'000'000};
    std::uint64_t calls_ = 0;
    std::uint64_t fail_call_ = UINT64_MAX;
    int fail_code_ = 0;
    bool fail_for_ever_ = false;
    std::uint64_t off_call_ = UINT64_MAX;
    std::shared_ptr<bool> locked_ = std::make_shared<bool>(false);
};

}  // namespace queue::log
