#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "conf/problem.h"
#include "conf/settings.h"

namespace conf {

inline constexpr std::size_t file_bytes_max = 1u << 20;

// Reads the configuration file: posthouse.toml(5). Either all is well and every setting has its
// value or its default, or all mistakes come back at once, in the order of the file; nothing in
// between. No exception leaves. Paths in the file that are not absolute are seen from the folder of
// the file, so that `serve` and the commands mean the same socket wherever they are started.
[[nodiscard]] std::expected<Settings, std::vector<Problem>> load(const std::string& path);

// The same for a text. `name` is what the problems call it, and its folder is where relative paths
// start. `machine_name` is the default of `hostname`; empty: the machine is asked.
[[nodiscard]] std::expected<Settings, std::vector<Problem>> parse(
    std::string_view text, const std::string& name, const std::string& machine_name = {});

// Every key there is, in full and sorted: "admin.socket", "listener.address", ... For the tests
// that hold the documents to it.
[[nodiscard]] std::vector<std::string> known_keys();

}  // namespace conf
