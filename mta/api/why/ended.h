#pragma once
#include <vector>

#include "mta/api/call.h"
#include "mta/api/why/words.h"
#include "mta/outbound/desk/endings.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// What `posthouse why` says about mail that has left the queue because recipients were given up not
// long ago. It may be incomplete: the relay remembers a limited number of endings, and none from
// before its start.
struct Ended {
    Lines lines;
    std::vector<outbound::MessageView> reports;  // to the sender, that are still queued
};
// An empty query finds nothing: the question was about something that endings do not have.
[[nodiscard]] Ended find_ended(const Call& call, const outbound::Endings::Query& query);

}  // namespace mta::api
