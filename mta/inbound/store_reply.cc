#include "mta/inbound/store_reply.h"

namespace mta::inbound {

smtp::ServerReply reply_to(const queue::StoreError& error) {
    if (error.kind == queue::StoreError::Kind::no_space) {
        return {.code = 452,
                .status = {4, 3, 1},
                .text = "Not enough space to store the message, please try again later"};
    }
    if (error.kind == queue::StoreError::Kind::no_resources) {
        return {.code = 452,
                .status = {4, 3, 2},
                .text = "The server is short of resources, please try again later"};
    }
    return {.code = 451,
            .status = {4, 3, 0},
            .text = "The message could not be stored, please try again later"};
}

}  // namespace mta::inbound
