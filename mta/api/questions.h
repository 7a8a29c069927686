#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "mta/api/api.h"
#include "mta/api/call.h"
#include "mta/api/ended.h"
#include "mta/api/words.h"

namespace mta::admin {

// The answers to what is only asked; which parameters there are is in posthouse-api(7). `loading`:
// null, or how far the loading of old mail is, which is then part of the answer.
[[nodiscard]] Response answer_queue(const Call& call, const Request& request,
                                    const nlohmann::json& loading);
using FindEnded = std::function<Ended(const outbound::Endings::Query&)>;
// More to say where nothing is known; asked only then.
using OnUnknown = std::function<Lines()>;
[[nodiscard]] Response answer_why(const Call& call, const std::string& what,
                                  const nlohmann::json& loading, const FindEnded& find_ended,
                                  const OnUnknown& on_unknown);
[[nodiscard]] Response answer_status(const Call& call, const RelayStatus& status);
[[nodiscard]] Response answer_destinations(const Call& call, const Request& request);

}  // namespace mta::admin
