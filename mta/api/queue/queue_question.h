#pragma once
#include <cstddef>
#include <optional>
#include <string>

#include "mta/api/answer.h"
#include "mta/api/queue/grouping.h"
#include "mta/api/queue/ranking.h"
#include "mta/base/time.h"
#include "mta/http/request.h"
#include "mta/outbound/desk/message_filter.h"

namespace mta::api {

// The parameters of GET /v1/queue: those of a filter, and "limit", "cursor", "sort", "reverse",
// "by" and "count". A new parameter begins here.
struct QueueQuestion {
    outbound::MessageFilter filter;
    std::size_t limit = 100;
    std::string cursor;
    std::optional<SortOrder> order;
    std::optional<GroupBy> by;
    bool only_counts = false;
};

// `now` is the moment from which ages count.
[[nodiscard]] Outcome<QueueQuestion> parse_queue_question(const http::Request& request,
                                                          Instant now);

}  // namespace mta::api
