#include "mta/base/log.h"

#include <vector>

#include <gtest/gtest.h>

namespace mta {
namespace {

TEST(LogLine, is_an_event_and_its_values) {
    EXPECT_EQ(LogLine("delivered")
                  .with("id", 17u)
                  .with("code", std::int64_t{-1})
                  .with("host", "mx1.them.example")
                  .with("tls", false)
                  .with("kept", true)
                  .text(),
              "delivered id=17 code=-1 host=mx1.them.example tls=no kept=yes");
}

TEST(LogLine, leaves_out_what_is_empty_only_if_told) {
    EXPECT_EQ(LogLine("x").with("a", "").with_if("b", "").with_if("c", "1").text(), "x a=\"\" c=1");
}

struct ValueCase {
    std::string_view value;
    const char* want;
};

const ValueCase value_cases[] = {
    {"plain", "plain"},
    {"a@b.example", "a@b.example"},
    {"[192.0.2.1]:25", "[192.0.2.1]:25"},
    {"two words", "\"two words\""},
    {"a=b", "\"a=b\""},
    {"say \"hi\"", "\"say \\\"hi\\\"\""},
    {"back\\slash", "\"back\\\\slash\""},
    {"line\r\nfeed", "\"line\\x0d\\x0afeed\""},
    {"tab\t", "\"tab\\x09\""},
    {std::string_view("nul\0", 4), "\"nul\\x00\""},
    {"\x1b[31m", "\"\\x1b[31m\""},
    {"del\x7f", "\"del\\x7f\""},
    {"\xc3\xbc", "\"\\xc3\\xbc\""},
    {"\xff", "\"\\xff\""},
};

TEST(LogLine, quotes_and_escapes_what_is_not_plain) {
    for (const auto& row : value_cases) {
        EXPECT_EQ(LogLine("e").with("v", row.value).text(), std::string("e v=") + row.want);
    }
}

TEST(LogLine, cannot_be_forged_from_outside) {
    for (int byte = 0; byte < 256; ++byte) {
        const std::string value = std::string("x") + static_cast<char>(byte) + "delivered id=18";
        const auto line = LogLine("refused").with("text", value).text();
        EXPECT_EQ(line.find('\n'), line.npos);
        EXPECT_EQ(line.find('\r'), line.npos);
        EXPECT_TRUE(line.starts_with("refused text=\"x")) << line;
        EXPECT_TRUE(line.ends_with('"')) << line;
    }
}

TEST(Log, gathers_lines_and_writes_them_at_once) {
    std::vector<std::string> written;
    Log log([&](std::string_view lines) { written.emplace_back(lines); }, false);
    log.write(from_unix_ms(0), Level::info, LogLine("one").with("a", 1));
    log.write(from_unix_ms(1500), Level::error, LogLine("two"));
    EXPECT_TRUE(written.empty());
    log.flush();
    log.flush();  // nothing is left
    EXPECT_EQ(written, std::vector<std::string>{"1970-01-01T00:00:00.000Z info one a=1\n"
                                                "1970-01-01T00:00:01.500Z error two\n"});
}

TEST(Log, writes_what_is_left_when_it_goes) {
    std::string written;
    {
        Log log([&](std::string_view lines) { written += lines; }, false);
        log.write(from_unix_ms(0), Level::warning, LogLine("last"));
    }
    EXPECT_EQ(written, "1970-01-01T00:00:00.000Z warning last\n");
}

TEST(Log, gives_the_journal_its_priorities) {
    std::string written;
    Log log([&](std::string_view lines) { written += lines; }, true, Level::debug);
    for (const auto level : {Level::debug, Level::info, Level::warning, Level::error}) {
        log.write(from_unix_ms(0), level, LogLine("e"));
    }
    log.flush();
    EXPECT_EQ(written, "<7>e\n<6>e\n<4>e\n<3>e\n");
}

TEST(Log, shows_its_level_and_what_is_worse) {
    std::string written;
    Log log([&](std::string_view lines) { written += lines; }, true, Level::warning);
    for (const auto level : {Level::debug, Level::info, Level::warning, Level::error}) {
        EXPECT_EQ(log.shows(level), level >= Level::warning);
        log.write(from_unix_ms(0), level, LogLine("e"));
    }
    log.flush();
    EXPECT_EQ(written, "<4>e\n<3>e\n");
    log.set_least(Level::debug);
    log.write(from_unix_ms(0), Level::debug, LogLine("d"));
    log.flush();
    EXPECT_EQ(written, "<4>e\n<3>e\n<7>d\n");
}

}  // namespace
}  // namespace mta
