#pragma once
#include <atomic>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "mta/api/relay_status.h"

namespace mta::api {

// How far the relay is with the mail that was queued before its start. While there is some left,
// an answer about the queue is incomplete and carries this.
struct Loading {
    std::uint64_t loaded = 0;
    std::optional<std::uint64_t> of;  // empty: not known yet
};

// Adds "loading": {"loaded", "of"} to an answer, while there is something to load.
[[nodiscard]] nlohmann::json with_loading(nlohmann::json answer,
                                          const std::optional<Loading>& loading);

// Asks for the state of the relay until all is loaded, which is true from then on. For many
// threads at once.
class LoadingState {
public:
    explicit LoadingState(GetStatus get_status) : get_status_(std::move(get_status)) {}

    // Empty if all is loaded. If the state cannot be had in time, something may be left.
    [[nodiscard]] std::optional<Loading> get() const;

private:
    GetStatus get_status_;
    mutable std::atomic<bool> is_loaded_ = false;
};

}  // namespace mta::api
