#pragma once
#include <vector>

#include "mta/api/api.h"
#include "mta/api/words.h"

namespace mta::admin {

// What `why` says of mail that is not in the queue any more, because recipients were given up not
// long ago. Nothing of it is certain: the relay remembers a limited number, and none from before
// its start.
struct Ended {
    Lines lines;
    std::vector<outbound::MessageView> reports;  // about it, that are still on their way
};
// An empty query finds nothing: it was about something that endings do not know.
[[nodiscard]] Ended find_ended(const std::vector<Api::Post>& shards, Millis patience,
                               const outbound::Endings::Query& query);

}  // namespace mta::admin
