#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/invocation.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

// Reading the API's answers without exceptions: what is missing or of another type counts as empty.
[[nodiscard]] std::string text_of(const nlohmann::json& object, const char* name);
[[nodiscard]] std::uint64_t number_of(const nlohmann::json& object, const char* name);
[[nodiscard]] const nlohmann::json& list_of(const nlohmann::json& object, const char* name);
[[nodiscard]] const nlohmann::json& member_of(const nlohmann::json& object, const char* name);

// For --json: indented, in valid UTF-8, with a line end.
void write_json(std::ostream& out, const nlohmann::json& value);

// Says why on `err`; the exit status.
[[nodiscard]] int fail(CommandIo& io, const ApiError& error);

// The filter as the API names its parts; empty ones are left out.
[[nodiscard]] nlohmann::json to_json(const Filter& filter);
// "00001z", "mail to bob@them.example", "everything": for questions and answers.
[[nodiscard]] std::string describe(const Filter& filter);

}  // namespace mta::cli
