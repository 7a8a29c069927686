#pragma once
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

// One picture of `posthouse top`: of the API's answer to /v1/top, and of the one before it, which
// makes rates. `columns` as in CommandIo.
[[nodiscard]] std::string top_picture(const nlohmann::json& now, const nlohmann::json& before,
                                      std::uint32_t columns);

struct TopOptions {
    bool once = false;  // one picture, without a screen of its own
    bool json = false;  // once, as it comes
    // Waits so long; false: the user wants it to end.
    std::function<bool(Millis)> wait;
    int interrupt = -1;  // a descriptor that is readable then; -1: none
};
[[nodiscard]] int run_top(const ApiClient& api, const TopOptions& options, CommandIo& io);

}  // namespace mta::cli
