#include "mta/api/orders/order_answer.h"

#include "mta/api/orders/order_kind.h"
#include "mta/api/orders/order_request.h"
#include "mta/api/orders/order_run.h"

namespace mta::api {
namespace {

using nlohmann::json;

json touched_json(const Touched& touched) {
    return {{"messages", touched.messages}, {"recipients", touched.recipients}};
}

Outcome<json> order_json(const Call& call, const OrderKind& kind, const std::string& body,
                         const OnOrder& on_order) {
    MTA_TRY(order, parse_order(call, kind, body));
    if (order.is_dry_run) {
        MTA_TRY(counted, count_order(call, kind, order));
        return touched_json(counted);
    }
    MTA_TRY(result, OrderRun(call, kind, order).execute());
    auto answer = touched_json(result.touched);
    if (result.next) answer["next"] = to_cursor(*result.next, order.began);
    if (on_order) on_order({order.words, result.touched.messages, result.touched.recipients});
    return answer;
}

}  // namespace

http::Response answer_order(const Call& call, const http::Request& request,
                            const OnOrder& on_order) {
    const auto* const kind = find_order(request.path);
    if (kind == nullptr) return failure(404, "there is no order " + request.path);
    const auto answer = order_json(call, *kind, request.body, on_order);
    return answer ? success(*answer) : failure(answer.error());
}

}  // namespace mta::api
