#include "conf/loader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

#include "conf/document.h"
#include "conf/reader.h"
#include "conf/sections.h"
#include "conf/spelling.h"

namespace conf {
namespace {

// One of each table that may be repeated, so that the reader asks for its keys.
constexpr std::string_view one_of_each = "[[listener]]\n[[route]]\n[[site]]\n[[source]]\n";

std::string last_part(const std::string& key) {
    const auto dot = key.rfind('.');
    return dot == key.npos ? key : key.substr(dot + 1);
}

std::string place_of(const std::string& key) {
    const auto dot = key.rfind('.');
    if (dot == key.npos) return "at the top of the file, before the first [table]";
    const auto table = key.substr(0, dot);
    const bool is_repeated = one_of_each.find("[[" + table + "]]") != one_of_each.npos;
    return is_repeated ? "in [[" + table + "]]" : "in [" + table + "]";
}

std::string suggestion(const Reading::UnknownKey& unknown, const std::vector<std::string>& known) {
    const auto& key = unknown.value->key;
    const auto prefix = unknown.path.empty() ? unknown.path : unknown.path + '.';
    std::vector<std::string> siblings;
    for (const auto& name : known) {
        if (!name.starts_with(prefix)) continue;
        auto sibling = name.substr(prefix.size());
        sibling.resize(std::min(sibling.find('.'), sibling.size()));
        if (std::ranges::find(siblings, sibling) == siblings.end()) siblings.push_back(sibling);
    }
    if (const auto near = nearest(key, siblings); !near.empty()) {
        return "; did you mean \"" + near + "\"?";
    }
    for (const auto& name : known) {
        if (last_part(name) == key) return "; \"" + key + "\" belongs " + place_of(name);
    }
    if (siblings.empty()) return {};
    std::string all;
    for (const auto& name : siblings) {
        all += all.empty() ? "; known here: " : ", ";
        all += name;
    }
    return all;
}

void add_unknown(Reading& reading, const std::vector<std::string>& known) {
    for (const auto& unknown : reading.unknown) {
        const auto* value = unknown.value;
        const auto key = shortened(value->key);
        auto full = unknown.path;
        if (!full.empty()) full += '.';
        full += key;
        const bool is_table = value->kind == Value::Kind::table ||
                              (value->kind == Value::Kind::array && !value->items.empty() &&
                               value->items[0].kind == Value::Kind::table);
        reading.problems.push_back(
            {reading.file, value->key_position.line, value->key_position.column, full, "",
             (is_table ? "unknown table" : "unknown key") + suggestion(unknown, known)});
    }
}

std::unexpected<std::vector<Problem>> refusal(const std::string& file, std::string what) {
    return std::unexpected(std::vector{Problem{.file = file, .what = std::move(what)}});
}

std::string syntax_hint(const SyntaxError& error) {
    const bool about_value = error.what.find("value type") != error.what.npos ||
                             error.what.find("expected digit") != error.what.npos;
    return about_value
               ? error.what +
                     "; texts, durations and sizes stand in quotes: \"mail.example\", \"5m\""
               : error.what;
}

std::string system_message(int error) { return std::generic_category().message(error); }

}  // namespace

std::expected<Settings, std::vector<Problem>> parse(std::string_view text, const Origin& origin) {
    const auto& name = origin.file;
    if (text.size() > file_bytes_max) {
        return refusal(name, "is larger than 1 MiB: this cannot be a configuration");
    }
    const auto document = parse_document(text);
    if (!document) {
        const auto& error = document.error();
        return std::unexpected(std::vector{
            Problem{name, error.position.line, error.position.column, "", "", syntax_hint(error)}});
    }
    Reading reading{.file = name, .problems = {}, .unknown = {}, .asked = {}};
    auto settings = read_settings(*document, origin.machine_name, reading);
    if (!reading.unknown.empty()) add_unknown(reading, known_keys());
    if (!reading.problems.empty()) {
        std::ranges::sort(reading.problems, {}, [](const Problem& problem) {
            return std::tie(problem.line, problem.column, problem.key, problem.what);
        });
        return std::unexpected(std::move(reading.problems));
    }
    return settings;
}

std::expected<Settings, std::vector<Problem>> load(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        return refusal(path,
                       "there is no such file; name the configuration with --config FILE, or begin "
                       "with the example that comes with Posthouse");
    }
    if (fd < 0) return refusal(path, "cannot be opened: " + system_message(errno));
    struct stat about{};
    const bool regular = ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    std::string text(file_bytes_max + 1, '\0');
    std::size_t size = 0;
    int error = 0;
    while (regular && size < text.size()) {
        const auto count = ::read(fd, text.data() + size, text.size() - size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) error = errno;
        if (count <= 0) break;
        size += static_cast<std::size_t>(count);
    }
    ::close(fd);
    if (S_ISDIR(about.st_mode)) {
        return refusal(path, "is a directory; name the file itself, such as " + path +
                                 (path.ends_with('/') ? "posthouse.toml" : "/posthouse.toml"));
    }
    if (!regular) return refusal(path, "is not a regular file");
    if (error != 0) return refusal(path, "cannot be read: " + system_message(error));
    text.resize(size);
    return parse(text, {.file = path});
}

std::vector<std::string> known_keys() {
    const auto document = parse_document(one_of_each);
    Reading reading;
    static_cast<void>(read_settings(*document, "posthouse.invalid", reading));
    std::vector<std::string> keys;
    for (const auto& key : reading.asked) {
        const auto is_inside = [&](const std::string& other) {
            return other.starts_with(key + '.');
        };
        if (std::ranges::none_of(reading.asked, is_inside)) keys.push_back(key);
    }
    return keys;
}

}  // namespace conf
