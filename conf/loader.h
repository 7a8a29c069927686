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

// The same for a text. The problems show `name` as its file name, and relative paths start at the
// folder of `name`. `machine_name` is the default of `hostname`; if it is empty, it is that of this
// machine.
[[nodiscard]] std::expected<Settings, std::vector<Problem>> parse(
    std::string_view text, const std::string& name, const std::string& machine_name = {});

// The full names of all keys, sorted: "admin.socket", "listener.address" and so on. Tests compare
// the documents with them.
[[nodiscard]] std::vector<std::string> known_keys();

}  // namespace conf
