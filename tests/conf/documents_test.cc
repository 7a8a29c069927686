// The sample files, the man page and the README must agree with the keys that the reader knows.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conf/advice.h"
#include "conf/loader.h"

namespace conf {
namespace {

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path << " (tests run in the root of the repository)";
    return {std::istreambuf_iterator<char>(file), {}};
}

// The text without the # of "#key = value" and "#[[table]]"; "# words" remain comments.
std::string uncommented(const std::string& text) {
    std::istringstream in(text);
    std::string out;
    for (std::string line; std::getline(in, line);) {
        const bool is_default = line.size() > 1 && line[0] == '#' && line[1] != ' ';
        out += (is_default ? line.substr(1) : line) + '\n';
    }
    return out;
}

// The full names of all keys that a text shows, whether they are in use, defaults or examples.
std::set<std::string> keys_shown_in(const std::string& text) {
    std::istringstream in(text);
    std::set<std::string> keys;
    std::string table;
    for (std::string line; std::getline(in, line);) {
        line.erase(0, line.find_first_not_of("# "));
        if (line.starts_with('[')) {
            const auto begin = line.find_first_not_of('[');
            table = line.substr(begin, line.find(']') - begin);
        }
        const auto equals = line.find(" = ");
        const auto key = line.substr(0, equals);
        if (equals == line.npos || key.find_first_of(" .\"") != key.npos) continue;
        keys.insert(table.empty() ? key : table + '.' + key);
    }
    return keys;
}

// ".It Va listener.cert , Va listener.key"
std::set<std::string> keys_of_the_man_page(const std::string& text) {
    std::istringstream in(text);
    std::set<std::string> keys;
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with(".It Va ")) continue;
        std::istringstream words(line.substr(4));
        for (std::string word; words >> word;) {
            if (word != "Va" && word != ",") keys.insert(word);
        }
    }
    return keys;
}

std::set<std::string> known() {
    const auto keys = known_keys();
    return {keys.begin(), keys.end()};
}

TEST(KnownKeys, are_all_there) {
    const auto keys = known();
    EXPECT_EQ(keys.size(), 79u);
    for (const auto* key : {"hostname", "spool.path", "listener.tls", "route.password_file",
                            "retry.delay_notices", "admin.socket", "log.level"}) {
        EXPECT_TRUE(keys.contains(key)) << key;
    }
    EXPECT_FALSE(keys.contains("route")) << "a table is no key";
}

TEST(Documents, posthouse_toml_shows_every_key_and_no_other) {
    EXPECT_EQ(keys_shown_in(content_of("conf/posthouse.toml")), known());
}

TEST(Documents, the_man_page_explains_every_key_and_no_other) {
    EXPECT_EQ(keys_of_the_man_page(content_of("docs/posthouse.toml.5")), known());
}

TEST(Documents, what_posthouse_toml_shows_as_defaults_are_the_defaults) {
    const auto text = content_of("conf/posthouse.toml");
    const auto as_installed = parse(text, {"posthouse.toml", "mail.office.example"});
    const auto with_all = parse(uncommented(text), {"posthouse.toml", "mail.office.example"});
    const auto empty = parse("", {"posthouse.toml", "mail.office.example"});
    ASSERT_TRUE(as_installed) << to_string(as_installed.error());
    ASSERT_TRUE(with_all) << to_string(with_all.error());
    ASSERT_TRUE(empty);
    EXPECT_EQ(*as_installed, *empty);
    EXPECT_EQ(*with_all, *empty);
}

TEST(Documents, all_keys_but_those_of_routes_sites_and_certificates_are_shown_as_defaults) {
    std::istringstream in(content_of("conf/posthouse.toml"));
    std::string indented;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("#  ")) indented += line.substr(1) + '\n';
        if (line == "[admin]") indented += line + '\n';
    }
    // An example stands behind "#     ". The [[route]], the [[site]] and the [[source]] are among
    // the examples.
    EXPECT_THAT(keys_shown_in(indented),
                testing::UnorderedElementsAre(
                    "cert", "key", "etrn_networks", "route.deliver_between", "priority_networks",
                    "route.domain", "route.hosts", "route.lifetime", "route.tls", "route.username",
                    "route.password_file", "site.match", "site.max_connections",
                    "site.max_messages_per_connection", "site.recipients_per_transaction",
                    "site.message_rate", "site.connection_rate", "site.ip", "site.without",
                    "route.source", "source.name", "source.address", "source.ehlo",
                    "source.senders", "source.pool", "source.weight", "admin.metrics"));
}

// The man page has "Default: 10." in a sentence, or "Default:" and the value in the next lines.
TEST(Documents, the_man_page_states_the_defaults_of_single_values) {
    const auto page = content_of("docs/posthouse.toml.5");
    std::istringstream in(uncommented(content_of("conf/posthouse.toml")));
    std::string table;
    int compared = 0;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with('[')) {
            const auto begin = line.find_first_not_of('[');
            table = line.substr(begin, line.find(']') - begin) + '.';
        }
        const auto equals = line.find(" = ");
        if (line.starts_with('#') || equals == line.npos || table.empty()) continue;
        auto value = line.substr(equals + 3);
        // The page describes lists in words, and also keys whose only value is the default.
        if (value.starts_with('[') || table == "listener.") continue;
        const auto key = table + line.substr(0, equals);
        const auto entry = page.find(".It Va " + key + '\n');
        ASSERT_NE(entry, page.npos) << key;
        const auto sentence = page.find("Default:", entry);
        ASSERT_NE(sentence, page.npos) << key;
        ASSERT_LT(sentence, page.find(".It ", entry + 1)) << key << " has no default";
        auto told = page.substr(sentence + 8, page.find("\n.", sentence + 10) - sentence - 8);
        if (value.starts_with('"'))
            value = "\n.Qq " + value.substr(1, value.size() - 2) + " .";
        else
            value = ' ' + value + '.';
        EXPECT_EQ(told, value) << key;
        ++compared;
    }
    EXPECT_GT(compared, 30);
}

TEST(Documents, the_quickstart_needs_neither_root_nor_the_world) {
    const auto settings = load("conf/quickstart.toml");
    ASSERT_TRUE(settings) << to_string(settings.error());
    EXPECT_EQ(settings->spool.path, "build/quickstart/spool");
    EXPECT_EQ(settings->admin.socket, "build/quickstart/admin.sock");
    ASSERT_EQ(settings->listeners.size(), 1u);
    EXPECT_EQ(to_string(settings->listeners[0].address), "127.0.0.1:2525");
    EXPECT_THAT(advice(*settings), testing::IsEmpty());
}

TEST(Documents, the_examples_load_and_need_no_advice) {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("conf/examples")) {
        const auto settings = load(entry.path());
        ASSERT_TRUE(settings) << to_string(settings.error());
        EXPECT_THAT(advice(*settings), testing::IsEmpty()) << entry.path();
        ++count;
    }
    EXPECT_EQ(count, 3);
}

TEST(Documents, the_configuration_in_the_readme_loads) {
    const auto text = content_of("README.md");
    const auto begin = text.find("```toml\n");
    ASSERT_NE(begin, text.npos);
    const auto example = text.substr(begin + 8, text.find("```", begin + 8) - begin - 8);
    const auto settings = parse(example, {"README.md", "mail.office.example"});
    ASSERT_TRUE(settings) << to_string(settings.error());
    EXPECT_EQ(settings->routes.size(), 1u);
    EXPECT_THAT(advice(*settings), testing::IsEmpty());
}

// Each literal block of the page's EXAMPLES.
TEST(Documents, the_configurations_in_the_man_page_load) {
    const auto page = content_of("docs/posthouse.toml.5");
    const std::string opening = ".Bd -literal -offset indent\n";
    int count = 0;
    for (auto at = page.find(opening); at != page.npos; at = page.find(opening, at + 1)) {
        const auto begin = at + opening.size();
        const auto text = page.substr(begin, page.find(".Ed", begin) - begin);
        const auto settings = parse(text, {"posthouse.toml.5", "mail.office.example"});
        ASSERT_TRUE(settings) << to_string(settings.error());
        EXPECT_THAT(advice(*settings), testing::IsEmpty());
        ++count;
    }
    EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace conf
