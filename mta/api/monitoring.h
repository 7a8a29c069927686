#pragma once
#include <memory>
#include <vector>

#include "mta/api/api.h"
#include "mta/api/survey.h"

namespace mta::admin {

// What monitoring asks:
//
//   GET /metrics    in Prometheus' text format
//   GET /v1/top     {"status": as /v1/status, "queue": counters, "destinations": [{"name",
//                   "recipients", "oldest", "troubles": {name: number}, ... as
//                   /v1/destinations}], "others", "others_count", "made"}
//
// As Api::handle(), for many threads at once.
class Monitoring {
public:
    Monitoring(std::vector<Api::Post> shards, Api::GetStatus get_status, Millis patience)
        : shards_(shards),
          get_status_(std::move(get_status)),
          patience_(patience),
          survey_(std::move(shards), patience) {}

    [[nodiscard]] Response metrics();
    [[nodiscard]] Response top();

private:
    std::vector<Api::Post> shards_;
    Api::GetStatus get_status_;
    Millis patience_;
    Survey survey_;
};

}  // namespace mta::admin
