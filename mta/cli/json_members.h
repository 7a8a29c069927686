#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

namespace mta::cli {

// Reads members of JSON objects without exceptions. A member that is missing or of another type
// counts as empty, and so does every member of a value that is no object.
[[nodiscard]] std::string text_of(const nlohmann::json& object, const char* name);
[[nodiscard]] std::uint64_t number_of(const nlohmann::json& object, const char* name);
[[nodiscard]] const nlohmann::json& list_of(const nlohmann::json& object, const char* name);
[[nodiscard]] const nlohmann::json& member_of(const nlohmann::json& object, const char* name);

// Writes what --json shows: indented, in valid UTF-8, with a line end.
void write_json(std::ostream& out, const nlohmann::json& value);

}  // namespace mta::cli
