#include "mta/api/loading.h"

#include <utility>

#include "mta/api/json_values.h"

namespace mta::api {

nlohmann::json with_loading(nlohmann::json answer, const std::optional<Loading>& loading) {
    if (loading)
        answer["loading"] = {{"loaded", loading->loaded}, {"of", value_or_null(loading->of)}};
    return answer;
}

std::optional<Loading> LoadingState::get() const {
    if (is_loaded_) return std::nullopt;
    const auto status = get_status_();
    if (!status) return Loading{};
    if (status->is_loading) return Loading{status->loaded_messages, status->old_messages};
    is_loaded_ = true;
    return std::nullopt;
}

}  // namespace mta::api
