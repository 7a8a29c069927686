#include "mta/cli/check.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conf/loader.h"

namespace mta::cli {
namespace {

using testing::HasSubstr;

class Check : public testing::Test {
protected:
    Check() {
        std::string name = testing::TempDir() + "posthouse-check-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    ~Check() override { std::filesystem::remove_all(folder_); }

    Invocation about(const std::string& text, bool json = false) {
        const auto path = folder_ / "posthouse.toml";
        std::ofstream(path) << text;
        return {.command = Command::check, .config_path = path, .json = json};
    }

    std::filesystem::path folder_;
};

TEST_F(Check, tells_all_mistakes_on_stderr_and_fails) {
    const auto invocation = about("hostnam = 1\n[dns]\ntries = 0\n");
    const auto output = check(invocation);
    EXPECT_EQ(output.exit_status, 1);
    EXPECT_EQ(output.out, "");
    const auto& path = invocation.config_path;
    EXPECT_EQ(output.err, path + ":1:1: hostnam: unknown key; did you mean \"hostname\"?\n" + path +
                              ":3:9: dns.tries = 0: must be 1 to 10\n2 mistakes\n");
}

TEST_F(Check, counts_one_mistake_as_one) {
    EXPECT_THAT(check(about("[dns]\ntries = 0\n")).err, testing::EndsWith("\n1 mistake\n"));
}

TEST_F(Check, fails_without_a_file) {
    const auto output = check({.command = Command::check, .config_path = folder_ / "none.toml"});
    EXPECT_EQ(output.exit_status, 1);
    EXPECT_THAT(output.err, HasSubstr("there is no such file"));
}

TEST_F(Check, sums_up_what_the_relay_would_do) {
    const auto invocation = about(R"(
hostname = "mail.office.example"
[spool]
path = "/srv/spool"
[[listener]]
address = "0.0.0.0:25"
[[listener]]
address = "[::]:25"
[relay]
networks = ["127.0.0.0/8", "192.168.0.0/16"]
domains = ["office.example"]
[[route]]
domain = "office.example"
hosts = ["exchange.lan", "[2001:db8::1]:2525"]
lifetime = "30d"
[admin]
socket = "/run/a.sock"
)");
    const auto output = check(invocation);
    EXPECT_EQ(output.exit_status, 0);
    EXPECT_EQ(output.err, "");
    EXPECT_EQ(output.out, "configuration fine: " + invocation.config_path + R"(
  name          mail.office.example
  listens on    0.0.0.0:25, [::]:25
  may send      to anybody: 127.0.0.0/8, 192.168.0.0/16
                anybody to: office.example
  route         office.example through exchange.lan:25, [2001:db8::1]:2525, for 30d
  route         the rest by MX
  gives up      after 5d
  spool         /srv/spool
  admin socket  /run/a.sock
)");
}

TEST(Summary, says_what_goes_by_mx) {
    conf::Settings settings;
    EXPECT_THAT(summary(settings), HasSubstr("  route         all mail by MX\n"));
    settings.routes = {{.domain = "*", .hosts = {{"smtp.isp.example", 25}}, .lifetime = {}}};
    EXPECT_THAT(summary(settings), testing::Not(HasSubstr("MX")));
    EXPECT_THAT(summary(settings), HasSubstr("anybody to: none\n"));
}

TEST_F(Check, warns_of_an_open_relay_and_is_fine_all_the_same) {
    const auto output =
        check(about("hostname = \"mail.office.example\"\n[[listener]]\naddress = "
                    "\"0.0.0.0:25\"\n[relay]\nnetworks = [\"0.0.0.0/0\"]\n"));
    EXPECT_EQ(output.exit_status, 0);
    EXPECT_THAT(output.err, testing::StartsWith("warning: relay.networks has 0.0.0.0/0: "));
}

TEST_F(Check, answers_programs_in_json) {
    const auto bad = check(about("[dns]\ntries = 0\n", true));
    EXPECT_EQ(bad.exit_status, 1);
    EXPECT_EQ(bad.err, "");
    const auto mistakes = nlohmann::json::parse(bad.out);
    EXPECT_EQ(mistakes["fine"], false);
    ASSERT_EQ(mistakes["problems"].size(), 1u);
    EXPECT_EQ(mistakes["problems"][0]["file"], (folder_ / "posthouse.toml").string());
    EXPECT_EQ(mistakes["problems"][0]["line"], 2);
    EXPECT_EQ(mistakes["problems"][0]["column"], 9);
    EXPECT_EQ(mistakes["problems"][0]["key"], "dns.tries");
    EXPECT_EQ(mistakes["problems"][0]["what"], "must be 1 to 10");

    const auto good = check(about("hostname = \"mail\"\n", true));
    EXPECT_EQ(good.exit_status, 0);
    EXPECT_EQ(nlohmann::json::parse(good.out)["fine"], true);
    EXPECT_EQ(nlohmann::json::parse(good.out)["advice"].size(), 1u);
}

TEST_F(Check, gives_json_for_a_file_whose_name_is_no_utf8) {
    const auto output =
        check({.command = Command::check, .config_path = folder_ / "caf\xe9.toml", .json = true});
    EXPECT_EQ(output.exit_status, 1);
    EXPECT_EQ(nlohmann::json::parse(output.out)["fine"], false);
}

}  // namespace
}  // namespace mta::cli
