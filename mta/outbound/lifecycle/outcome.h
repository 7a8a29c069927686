#pragma once
#include <cstdint>
#include <string_view>

#include "mta/base/outcome.h"

namespace mta::outbound {

// What has become of one recipient in an attempt or without one.
struct Outcome {
    enum class Kind : std::uint8_t {
        delivered,
        failed,    // for good
        deferred,  // charged: the remote answered about this message or recipient
        in_doubt,  // deferred, but it may have arrived
        expired,
        bounced,  // failed without an attempt: by an operator, or as its message is damaged
    };
    std::uint32_t recipient = 0;  // its number in the envelope
    Kind kind = Kind::delivered;
    // Valid during the call. delivered: the reply that took it, of class 2.
    const DeliveryError* error = nullptr;
    bool is_dsn_passed_on = false;         // delivered: the next hop answers NOTIFY=SUCCESS
    bool is_deliver_by_passed_on = false;  // delivered: the next hop minds the time
    std::string_view source = {};          // the [[source]] that was used; empty: none
};

}  // namespace mta::outbound
