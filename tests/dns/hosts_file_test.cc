#include "dns/hosts_file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace dns {
namespace {
using namespace std::chrono_literals;

std::vector<std::string> as_text(const std::vector<mta::IpAddress>& addresses) {
    std::vector<std::string> lines;
    for (const auto& address : addresses) lines.push_back(address.to_string());
    return lines;
}
using Lines = std::vector<std::string>;

TEST(HostsFile, names_of_a_line_share_its_address_and_lines_add_up) {
    const auto table = parse_hosts(
        "127.0.0.1 localhost\n"
        "::1\tlocalhost  ip6-localhost # and more names\n"
        "# 192.0.2.66 evil.lan\n"
        "\n"
        "192.0.2.7 Exchange.LAN exchange\r\n"
        "192.0.2.8 exchange.lan.\n"
        "192.0.2.7 exchange.lan\n"
        "   2001:db8::7 exchange.lan");
    EXPECT_EQ(as_text(table.at("localhost")), (Lines{"127.0.0.1", "::1"}));
    EXPECT_EQ(as_text(table.at("ip6-localhost")), Lines{"::1"});
    EXPECT_EQ(as_text(table.at("exchange")), Lines{"192.0.2.7"});
    EXPECT_EQ(as_text(table.at("exchange.lan")), (Lines{"192.0.2.7", "192.0.2.8", "2001:db8::7"}));
    EXPECT_EQ(table.size(), 4u);
}

TEST(HostsFile, what_makes_no_sense_says_nothing) {
    const auto table = parse_hosts(
        "exchange.lan 192.0.2.7\n"
        "192.0.2 a.lan\n"
        "192.0.2.300 b.lan\n"
        "fe80::1%eth0 c.lan\n"
        "192.0.2.7\n"
        "192.0.2.7 -bad- a..b good.lan\n" +
        std::string("192.0.2.7 nul\0.lan\n\xff\xfe\n", 22));
    EXPECT_EQ(table.size(), 1u);
    EXPECT_TRUE(table.contains("good.lan"));
    EXPECT_TRUE(parse_hosts("").empty());
}

class HostsFileOnDisk : public testing::Test {
protected:
    HostsFileOnDisk() {
        char made[] = "/tmp/posthouse-hosts-XXXXXX";
        folder = mkdtemp(made);
        path = folder + "/hosts";
    }
    HostsFileOnDisk(const HostsFileOnDisk&) = delete;
    HostsFileOnDisk& operator=(const HostsFileOnDisk&) = delete;
    ~HostsFileOnDisk() override { std::filesystem::remove_all(folder); }

    void write(const std::string& text) const { std::ofstream(path) << text; }
    Lines find(const std::string& name) { return as_text(file().find(name, now)); }
    HostsFile& file() {
        if (!file_) file_.emplace(path);
        return *file_;
    }

    std::string folder;
    std::string path;
    mta::Instant now{1000s};

private:
    std::optional<HostsFile> file_;
};

TEST_F(HostsFileOnDisk, is_read_again_when_it_has_changed) {
    EXPECT_EQ(find("exchange.lan"), Lines{}) << "there is no file";
    write("192.0.2.7 exchange.lan\n");
    EXPECT_EQ(find("exchange.lan"), Lines{}) << "it is looked at once a second";
    now += 1s;
    EXPECT_EQ(find("EXCHANGE.lan"), Lines{"192.0.2.7"});
    write("192.0.2.107 exchange.lan\n");
    now += 1s;
    EXPECT_EQ(find("exchange.lan"), Lines{"192.0.2.107"});
    now -= 1h;
    write("192.0.2.8 exchange.lan\n");
    EXPECT_EQ(find("exchange.lan"), Lines{"192.0.2.8"}) << "a clock that was set back";
    std::filesystem::remove(path);
    now += 1s;
    EXPECT_EQ(find("exchange.lan"), Lines{});
}

TEST_F(HostsFileOnDisk, what_is_no_file_is_empty_and_delays_no_caller) {
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(find("exchange.lan"), Lines{});
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    now += 1s;
    EXPECT_EQ(find("exchange.lan"), Lines{});
}

TEST_F(HostsFileOnDisk, of_a_large_file_whole_lines_are_used_up_to_the_limit) {
    std::string text = "192.0.2.7 first.lan\n";
    text += std::string(HostsFile::bytes_max - text.size() - 25, '#') + '\n';
    text += "192.0.2.8 cut.lan another.lan\n192.0.2.9 last.lan\n";
    write(text);
    EXPECT_EQ(find("first.lan"), Lines{"192.0.2.7"});
    EXPECT_EQ(find("cut.lan"), Lines{});
    EXPECT_EQ(find("last.lan"), Lines{});
}

}  // namespace
}  // namespace dns
