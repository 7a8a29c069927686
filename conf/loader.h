#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "conf/problem.h"
#include "conf/settings.h"

namespace conf {

inline constexpr std::size_t file_bytes_max = 1u << 20;

// Reads the configuration file, posthouse.toml(5). The result is either the settings, each with its
// value or its default, or all mistakes in the order of the file. It throws no exception. Relative
// paths in the file start at the folder of the file, so that `serve` and the commands use the same
// socket in whatever folder they are started.
[[nodiscard]] std::expected<Settings, std::vector<Problem>> load(const std::string& path);

// Where a text comes from.
struct Origin {
    std::string file;  // as problems show it; relative paths in the text start at its folder
    std::string machine_name = {};  // the default of `hostname`; if empty, that of this machine
};
// The same as load() for a text.
[[nodiscard]] std::expected<Settings, std::vector<Problem>> parse(std::string_view text,
                                                                  const Origin& origin);

// The full names of all keys, sorted: "admin.socket", "listener.address" and so on. Tests compare
// the documents with them.
[[nodiscard]] std::vector<std::string> known_keys();

}  // namespace conf
