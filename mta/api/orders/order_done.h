#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace mta::api {

// What an order has changed, for the log.
struct OrderDone {
    std::string what;  // "hold domain=them.example"
    std::uint64_t messages = 0;
    std::uint64_t recipients = 0;
};

using OnOrder = std::function<void(const OrderDone&)>;

}  // namespace mta::api
