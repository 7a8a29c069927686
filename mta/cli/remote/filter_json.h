#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "mta/cli/invocation.h"

namespace mta::cli {

// The filter with the names that the API has for its parts. Empty parts are left out.
[[nodiscard]] nlohmann::json to_json(const Filter& filter);
// The filter in words, for questions and answers: "message 00001z", "mail to bob@them.example",
// "everything".
[[nodiscard]] std::string describe(const Filter& filter);

}  // namespace mta::cli
