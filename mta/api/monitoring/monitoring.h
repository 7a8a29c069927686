#pragma once
#include "mta/api/call.h"
#include "mta/api/monitoring/figures.h"
#include "mta/api/monitoring/survey.h"
#include "mta/api/relay_status.h"
#include "mta/http/response.h"

namespace mta::api {

// What monitoring asks for again and again; the answers share one survey of the queue.
//
//   GET /metrics    in Prometheus' text format
//   GET /v1/top     {"status": as /v1/status, "queue": counters, "destinations": [{"name",
//                   "recipients", "oldest", "troubles": {name: number}, ... as
//                   /v1/destinations}], "others", "others_count", "made"}
//
// For many threads at once, as Api::handle().
class Monitoring {
public:
    // `call` outlives it.
    Monitoring(const Call& call, GetStatus get_status)
        : call_(call), get_status_(std::move(get_status)), survey_(call) {}

    [[nodiscard]] http::Response metrics();
    [[nodiscard]] http::Response top();

private:
    struct Found {
        RelayStatus status;
        Figures figures;
        Survey::Result survey;
    };
    [[nodiscard]] Outcome<Found> find();

    const Call& call_;
    GetStatus get_status_;
    Survey survey_;
};

}  // namespace mta::api
