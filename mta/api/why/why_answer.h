#pragma once
#include <optional>
#include <string>

#include "mta/api/call.h"
#include "mta/api/loading.h"
#include "mta/api/relay_status.h"
#include "mta/http/response.h"

namespace mta::api {

// GET /v1/why/WHAT, of a queue id, a Message-ID, an address or a domain: in words, one sentence or
// more a line, and in JSON. The status of the relay is asked for only if nothing is known of it.
[[nodiscard]] http::Response answer_why(const Call& call, const std::string& what,
                                        const std::optional<Loading>& loading,
                                        const GetStatus& get_status);

}  // namespace mta::api
