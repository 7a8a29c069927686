#include "mta/api/api.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "mta/api/answer.h"
#include "mta/api/call.h"
#include "mta/api/loading.h"
#include "mta/api/monitoring/destinations_answer.h"
#include "mta/api/monitoring/monitoring.h"
#include "mta/api/monitoring/status_answer.h"
#include "mta/api/orders/order_answer.h"
#include "mta/api/queue/queue_answer.h"
#include "mta/api/trace.h"
#include "mta/api/why/why_answer.h"

namespace mta::api {

// A path with its method. A path that ends in '/' takes whatever follows.
struct Api::Route {
    std::string_view method;
    std::string_view path;
    http::Response (Api::*answer)(const http::Request&) const;

    [[nodiscard]] bool has(std::string_view wanted) const {
        return path.ends_with('/') ? wanted.starts_with(path) : wanted == path;
    }
};

namespace {

constexpr std::string_view why_path = "/v1/why/";

}  // namespace

const std::vector<Api::Route>& Api::routes() {
    static const std::vector<Route> all = {
        {"GET", "/v1/queue", &Api::queue},   {"GET", why_path, &Api::why},
        {"POST", "/v1/hold", &Api::order},   {"POST", "/v1/release", &Api::order},
        {"POST", "/v1/flush", &Api::order},  {"POST", "/v1/cancel", &Api::order},
        {"POST", "/v1/bounce", &Api::order}, {"POST", "/v1/trace", &Api::trace},
        {"GET", "/v1/status", &Api::status}, {"GET", "/v1/destinations", &Api::destinations},
        {"GET", "/v1/top", &Api::top},       {"GET", "/metrics", &Api::metrics},
    };
    return all;
}

Api::Api(Relay relay, Millis patience)
    : relay_(std::move(relay)),
      call_(std::make_unique<Call>(relay_.shards, patience)),
      loading_(std::make_unique<LoadingState>(relay_.get_status)),
      monitoring_(std::make_unique<Monitoring>(*call_, relay_.get_status)) {}

Api::~Api() = default;

http::Response Api::handle(const http::Request& request) const {
    auto response = answer(request);
    if (response.status != 503 || response.body != failure(too_busy()).body) return response;
    // To read a message, the relay must first write what it has about it.
    const auto status = relay_.get_status();
    if (!status || !status->is_spool_stalled) return response;
    return failure(503, "the relay cannot write to its spool now, and answers when it can: " +
                            status->spool_refusal);
}

http::Response Api::answer(const http::Request& request) const {
    const auto& path = request.path;
    const auto route =
        std::ranges::find_if(routes(), [&](const Route& each) { return each.has(path); });
    if (route == routes().end())
        return failure(404, "there is no " + path + " here; this relay speaks /v1");
    if (route->method != request.method)
        return failure(405, request.method + " does not go with " + path);
    return (this->*route->answer)(request);
}

http::Response Api::order(const http::Request& request) const {
    return answer_order(*call_, request, relay_.on_order);
}

http::Response Api::queue(const http::Request& request) const {
    return answer_queue(*call_, request, loading_->get());
}

http::Response Api::why(const http::Request& request) const {
    return answer_why(*call_, request.path.substr(why_path.size()), loading_->get(),
                      relay_.get_status);
}

http::Response Api::status(const http::Request& /*request*/) const {
    return answer_status(*call_, relay_.get_status);
}

http::Response Api::destinations(const http::Request& request) const {
    return answer_destinations(*call_, request);
}

http::Response Api::trace(const http::Request& request) const {
    return answer_trace(*call_, request);
}

http::Response Api::top(const http::Request& /*request*/) const { return monitoring_->top(); }

http::Response Api::metrics(const http::Request& /*request*/) const {
    return monitoring_->metrics();
}

}  // namespace mta::api
