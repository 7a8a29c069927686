#pragma once
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

// One picture of `posthouse top`, made of the API's answer to /v1/top. Rates are differences to the
// answer before it. `columns` is as in CommandIo.
[[nodiscard]] std::string top_picture(const nlohmann::json& now, const nlohmann::json& before,
                                      std::uint32_t columns);

struct TopOptions {
    bool once = false;  // one picture, without a screen of its own
    bool json = false;  // one answer, as the relay sends it
    // Waits for this time. Returns false if the user wants to end the command.
    std::function<bool(Millis)> wait;
    int interrupt = -1;  // a descriptor that becomes readable when the user does; -1: there is none
};
// Runs `posthouse top` until the user ends it.
[[nodiscard]] int run_top(const ApiClient& api, const TopOptions& options, CommandIo& io);

}  // namespace mta::cli
