#include "mta/inbound/etrn_reply.h"

#include <string>
#include <utility>

namespace mta::inbound {

smtp::ServerReply reply_to(const smtp::EtrnArguments& asked, const WakeUp& wake_up) {
    const auto node = "node " + asked.node;
    switch (wake_up.kind) {
        case WakeUp::Kind::started:
            return {253,
                    {2, 0, 0},
                    "OK, " + std::to_string(wake_up.recipients) + " pending messages for " + node +
                        " started"};
        case WakeUp::Kind::started_unknown:
            return {250, {2, 0, 0}, "OK, queuing for " + node + " started"};
        case WakeUp::Kind::under_way:
            return {252, {2, 0, 0}, "OK, pending messages for " + node + " started"};
        case WakeUp::Kind::nothing_waits:
            return {251, {2, 0, 0}, "OK, no messages waiting for " + node};
        case WakeUp::Kind::not_ours:
            return {459,
                    {4, 7, 1},
                    "Node " + asked.node +
                        " not allowed: this relay keeps no mail for it to be fetched"};
        case WakeUp::Kind::busy:
            return {458,
                    {4, 3, 2},
                    "Unable to queue messages for " + node + ", please ask again in a minute"};
    }
    std::unreachable();
}

smtp::ServerReply no_such_queue(const smtp::EtrnArguments& asked) {
    return {458,
            {4, 3, 3},
            "Unable to queue messages for node #" + asked.node +
                ": there are no queues by name here; name a domain"};
}

}  // namespace mta::inbound
