#pragma once
#include <memory>
#include <vector>

#include "mta/api/orders/order_done.h"
#include "mta/api/relay_status.h"
#include "mta/api/shard_call.h"
#include "mta/base/time.h"
#include "mta/http/request.h"
#include "mta/http/response.h"

namespace mta::api {

class Call;
class LoadingState;
class Monitoring;

// Answers the requests of operators from what the shards say. Every answer is JSON (but for the
// metrics): what was asked for, or {"error": sentence} with
//   400  the request makes no sense       404  there is no such path
//   405  the path has another method      503  a shard did not answer in time
// The paths, their parameters and answers are in docs/posthouse-api.7. Programs rely on that
// manual: change both together.
//
// Each topic has a folder: queue/ (the list), why/, orders/, monitoring/ (status, top, metrics).
// api.cc has the table of paths.
//
// handle() may be called by many threads at once. It waits for the shards, each step at most
// `patience`.
class Api {
public:
    // How the API reaches the relay.
    struct Relay {
        std::vector<Post> shards;
        GetStatus get_status;
        // Called when an order has changed mail, by the thread of the request; may be empty.
        OnOrder on_order = {};
    };

    static constexpr Millis default_patience{5000};

    explicit Api(Relay relay, Millis patience = default_patience);
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;
    ~Api();

    [[nodiscard]] http::Response handle(const http::Request& request) const;

private:
    struct Route;
    static const std::vector<Route>& routes();

    [[nodiscard]] http::Response answer(const http::Request& request) const;
    [[nodiscard]] http::Response order(const http::Request& request) const;
    [[nodiscard]] http::Response queue(const http::Request& request) const;
    [[nodiscard]] http::Response why(const http::Request& request) const;
    [[nodiscard]] http::Response status(const http::Request& request) const;
    [[nodiscard]] http::Response destinations(const http::Request& request) const;
    [[nodiscard]] http::Response trace(const http::Request& request) const;
    [[nodiscard]] http::Response top(const http::Request& request) const;
    [[nodiscard]] http::Response metrics(const http::Request& request) const;

    Relay relay_;
    std::unique_ptr<Call> call_;
    std::unique_ptr<LoadingState> loading_;
    std::unique_ptr<Monitoring> monitoring_;
};

}  // namespace mta::api
