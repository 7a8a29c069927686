#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <gmock/gmock.h>

#include "mta/cli/spool/spool_command.h"
#include "mta/cli/spool/spool_import.h"
#include "mta/cli/terminal/progress.h"
#include "tests/segment_log/log_world.h"

namespace mta::cli {
namespace {

namespace fs = std::filesystem;
using queue::segment_log::FakeDisk;
using testing::HasSubstr;
using testing::StartsWith;

class SpoolCommands : public testing::Test {
protected:
    SpoolCommands() {
        char name[] = "/tmp/ph-spool-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~SpoolCommands() override { fs::remove_all(folder_); }

    [[nodiscard]] SpoolRequest request() const { return {.folder = folder_}; }
    void put(const std::string& name, const std::string& bytes) const {
        std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    }
    void put_pairs(int count) const {
        for (int i = 0; i < count; ++i) {
            const auto name = std::to_string(i);
            // The last one is large.
            const auto text = i + 1 == count ? std::string(400'000, 'x') : "text of " + name;
            put(name + ".eml", "Subject: " + name + "\r\n\r\n" + text + "\r\n");
            put(name + ".json", R"({"sender": "a@us.example", "recipients": ["b@them.example"]})");
        }
    }
    [[nodiscard]] int imported_files() const {
        int count = 0;
        for (const auto& entry : fs::directory_iterator(folder_)) {
            if (entry.path().extension() != ".imported") continue;
            if (entry.path().stem().extension() == ".json") ++count;
        }
        return count;
    }
    int import(
        queue::segment_log::Disk& disk,
        const IsInterrupted& is_interrupted = [] { return false; }) {
        out_.str("");
        err_.str("");
        return run_spool_import(disk, queue::segment_log::small_options(), request(),
                                is_interrupted, io_);
    }
    static std::size_t queued(FakeDisk& disk) {
        queue::segment_log::Spool spool(disk);
        EXPECT_TRUE(spool.service) << spool.error->text;
        return spool.load().size();
    }

    std::string folder_;
    std::ostringstream out_;
    std::ostringstream err_;
    std::istringstream in_;
    CommandIo io_{.out = out_, .err = err_, .in = in_, .now = from_unix_ms(1'795'003'200'000)};
};

TEST_F(SpoolCommands, import_renames_nothing_that_is_not_safe_on_disk) {
    constexpr int pairs = 6;
    bool has_failed = true;
    std::uint64_t failures = 0;
    for (std::uint64_t call = 0; has_failed; ++call) {
        SCOPED_TRACE("the disk fails at change " + std::to_string(call));
        fs::remove_all(folder_);
        fs::create_directory(folder_);
        put_pairs(pairs);
        FakeDisk disk;
        disk.fail_at(call, EIO, true);
        has_failed = import(disk) != exit_fine;
        if (has_failed) ++failures;
        EXPECT_EQ(err_.str().empty(), !has_failed);
        // The power goes: what was renamed must be there all the same.
        const auto after = disk.after_power_cut(call, FakeDisk::Cut::nothing_unsynced);
        const auto renamed = static_cast<std::size_t>(imported_files());
        ASSERT_LE(renamed, queued(*after));
        EXPECT_TRUE(has_failed || renamed == std::size_t{pairs});
        // Again, on a disk that works: all of it is there in the end.
        ASSERT_EQ(import(*after), exit_fine) << err_.str();
        EXPECT_EQ(imported_files(), pairs);
        EXPECT_GE(queued(*after), std::size_t{pairs});
    }
    EXPECT_GT(failures, 10u);
}

TEST_F(SpoolCommands, import_renames_what_it_has_taken_before_there_was_no_more_room) {
    put_pairs(4);  // the last one finds none
    FakeDisk disk;
    disk.set_capacity(500'000);
    auto options = queue::segment_log::small_options();
    options.free_percent_min = 0;
    options.free_bytes_min = 0;
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(
            run_spool_import(disk, options, request(), [] { return false; }, io_), exit_failed);
        EXPECT_EQ(imported_files(), 3) << err_.str();
    }
    EXPECT_EQ(queued(disk), 3u) << "each of them once";
}

TEST_F(SpoolCommands, import_ends_tidily_when_it_is_interrupted) {
    put_pairs(600);
    FakeDisk disk;
    int asked = 0;
    EXPECT_EQ(import(disk, [&] { return ++asked > 250; }), exit_failed);
    EXPECT_THAT(err_.str(), HasSubstr("interrupted"));
    EXPECT_EQ(out_.str(), "250 messages imported.\n");
    EXPECT_EQ(imported_files(), 250);
    EXPECT_EQ(queued(disk), 250u);
    EXPECT_EQ(import(disk), exit_fine);
    EXPECT_EQ(queued(disk), 600u);
}

TEST_F(SpoolCommands, import_waits_for_room) {
    put_pairs(2);
    FakeDisk disk;
    disk.set_space({.free_bytes = 10, .total_bytes = 1000});
    auto options = queue::segment_log::small_options();
    EXPECT_EQ(run_spool_import(disk, options, request(), [] { return false; }, io_), exit_failed);
    EXPECT_EQ(imported_files(), 0);
}

TEST_F(SpoolCommands, import_makes_several_messages_of_more_recipients_than_one_can_have) {
    put("many.eml", "Subject: all of you\r\n\r\nhello\r\n");
    std::string recipients;
    for (int i = 0; i < 70'000; ++i)
        recipients += (i == 0 ? "\"a" : ", \"a") + std::to_string(i) + "@them.example\"";
    put("many.json", R"({"sender": "a@us.example", "recipients": [)" + recipients + "]}");
    FakeDisk disk;
    EXPECT_EQ(import(disk), exit_fine) << err_.str();
    EXPECT_EQ(imported_files(), 1);
    queue::segment_log::Spool spool(disk);
    std::set<std::string> addresses;
    for (const auto& [id, stored] : spool.load()) {
        EXPECT_LE(stored.message->envelope.recipients.size(), queue::recipients_max);
        for (const auto& recipient : stored.message->envelope.recipients)
            addresses.insert(recipient.address);
    }
    EXPECT_EQ(addresses.size(), 70'000u);
}

TEST_F(SpoolCommands, import_keeps_what_a_report_is_about) {
    put("report.eml", "Subject: undelivered\r\n\r\nsorry\r\n");
    put("report.json", R"({"sender": "", "recipients": ["a@us.example"], "about": "00001z"})");
    FakeDisk disk;
    EXPECT_EQ(import(disk), exit_fine) << err_.str();
    queue::segment_log::Spool spool(disk);
    const auto messages = spool.load();
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages.begin()->second.message->about, queue::parse_id("00001z"));
}

TEST_F(SpoolCommands, ls_knows_everybody_of_a_domain_and_all_below_one) {
    FakeDisk disk;
    put("1.eml", "Subject: 1\r\n\r\ntext\r\n");
    put("1.json", R"({"sender": "Ann@Us.example", "recipients": ["bob@mail.them.example"]})");
    ASSERT_EQ(import(disk), exit_fine);
    struct Row {
        Filter filter;
        bool is_found;
    };
    const Row rows[] = {
        {{.sender = "@us.example"}, true},         {{.sender = "ann@us.example"}, true},
        {{.sender = "@example"}, false},           {{.sender = "<>"}, false},
        {{.domain = ".them.example"}, true},       {{.domain = ".example"}, true},
        {{.domain = ".mail.them.example"}, false}, {{.domain = "mail.them.example"}, true},
        {{.domain = "them.example"}, false}};
    for (const auto& row : rows) {
        out_.str("");
        EXPECT_EQ(run_spool_ls(disk, {.command = Command::spool, .filter = row.filter}, io_),
                  exit_fine);
        EXPECT_EQ(out_.str().contains("1 message, 1 recipient."), row.is_found)
            << row.filter.sender << row.filter.domain << '\n'
            << out_.str();
    }
}

TEST_F(SpoolCommands, export_leaves_no_half_file_behind) {
    FakeDisk disk;
    put_pairs(3);
    ASSERT_EQ(import(disk), exit_fine);
    fs::remove_all(folder_);
    int asked = 0;
    for (int stop = 1; stop < 12; ++stop) {
        asked = 0;
        fs::remove_all(folder_);
        const auto status = run_spool_export(disk, request(), [&] { return ++asked > stop; }, io_);
        std::set<std::string> stems;
        int files = 0;
        if (fs::exists(folder_)) {
            for (const auto& entry : fs::directory_iterator(folder_)) {
                stems.insert(entry.path().stem());
                ++files;
            }
        }
        EXPECT_EQ(files, static_cast<int>(2 * stems.size())) << "stopped at " << stop;
        EXPECT_EQ(status == exit_fine, stems.size() == 3u && asked <= stop);
    }
}

TEST_F(SpoolCommands, export_of_a_damaged_body_says_so_and_goes_on) {
    FakeDisk disk;
    put_pairs(3);
    ASSERT_EQ(import(disk), exit_fine);
    fs::remove_all(folder_);
    for (const auto& path : disk.files()) {
        auto bytes = disk.content(path);
        const auto at = bytes.find(std::string(1000, 'x'));
        if (!path.starts_with("seg/") || at == bytes.npos) continue;
        bytes[at + 500] = 'y';
        disk.put(path, bytes);
        break;
    }
    EXPECT_EQ(run_spool_export(disk, request(), [] { return false; }, io_), exit_failed);
    EXPECT_THAT(err_.str(), HasSubstr("is not exported"));
    EXPECT_THAT(out_.str(), HasSubstr("2 messages exported"));
    out_.str("");
    EXPECT_EQ(run_spool_verify(disk, false, io_), exit_failed);
    EXPECT_THAT(out_.str(), HasSubstr("2 whole messages in the queue: 2 problems.\n"));
}

// A script must not take for whole what is not.
TEST_F(SpoolCommands, export_and_ls_of_a_damaged_spool_fail_though_they_show_what_is_left) {
    FakeDisk disk;
    put_pairs(3);
    ASSERT_EQ(import(disk), exit_fine);
    Invocation ls;
    EXPECT_EQ(run_spool_ls(disk, ls, io_), exit_fine);
    for (const auto& path : disk.files()) {
        auto bytes = disk.content(path);
        const auto at = bytes.find("text of 1");
        if (!path.starts_with("seg/") || !path.ends_with(".log") || at == bytes.npos) continue;
        bytes[at] = 'T';
        disk.put(path, bytes);
    }
    fs::remove_all(folder_);
    err_.str("");
    EXPECT_EQ(run_spool_export(disk, request(), [] { return false; }, io_), exit_failed);
    EXPECT_THAT(out_.str(), HasSubstr("2 messages exported"));
    EXPECT_THAT(err_.str(), HasSubstr("the spool is damaged (1 place)"));
    EXPECT_EQ(run_spool_ls(disk, ls, io_), exit_failed);
}

TEST_F(SpoolCommands, tell_of_quarantine_where_mail_is_looked_for) {
    FakeDisk disk;
    put_pairs(1);
    ASSERT_EQ(import(disk), exit_fine);
    disk.put("quarantine/0000000000000009.log", "once a segment");
    const std::string words =
        "quarantine/ holds 1 file of damage found earlier: mail in there is neither shown nor "
        "delivered\n";
    Invocation invocation;
    EXPECT_EQ(run_spool_ls(disk, invocation, io_), exit_fine) << "nothing new";
    EXPECT_EQ(err_.str(), "posthouse: " + words);
    err_.str("");
    invocation.filter.id = "00000z";
    EXPECT_EQ(run_spool_cat(disk, invocation, io_), exit_failed);
    EXPECT_THAT(err_.str(), StartsWith("posthouse: " + words));
    err_.str("");
    fs::remove_all(folder_);
    EXPECT_EQ(run_spool_export(disk, request(), [] { return false; }, io_), exit_fine);
    EXPECT_EQ(err_.str(), "posthouse: " + words);
    out_.str("");
    EXPECT_EQ(run_spool_verify(disk, false, io_), exit_fine);
    EXPECT_THAT(out_.str(), StartsWith("note: " + words));
}

TEST(Progress, draws_on_a_terminal_only_and_wipes_its_line) {
    std::ostringstream out;
    {
        Progress silent(out, false, "reading");
        silent.show(1, 2);
    }
    EXPECT_EQ(out.str(), "");
    {
        Progress bar(out, true, "reading");
        bar.show(0, 0);
        EXPECT_EQ(out.str(), "");
        bar.show(1, 2);
        const auto once = out.str();
        EXPECT_THAT(once, StartsWith("\rreading [####################                    ]  50%"));
        bar.show(10'001, 20'000);
        EXPECT_EQ(out.str(), once) << "nothing has changed";
        bar.show(7, 3);
        EXPECT_THAT(out.str(), HasSubstr("] 100%"));
    }
    EXPECT_TRUE(out.str().ends_with("\r\x1b[K"));
}

}  // namespace
}  // namespace mta::cli
