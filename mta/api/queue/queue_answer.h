#pragma once
#include <optional>

#include "mta/api/call.h"
#include "mta/api/loading.h"
#include "mta/http/request.h"
#include "mta/http/response.h"

namespace mta::api {

// GET /v1/queue: the messages that match a filter, as they come or sorted, in pages; or their
// number, or sums over groups of them.
[[nodiscard]] http::Response answer_queue(const Call& call, const http::Request& request,
                                          const std::optional<Loading>& loading);

}  // namespace mta::api
