#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include "mta/base/time.h"
#include "queue/message.h"

namespace mta::events {

// A message was handed to the store and to the queue manager; it is not yet durable. The event
// shares the message, which is immutable: a sink that keeps the event keeps the body in memory.
struct Received {
    std::shared_ptr<const queue::Message> message;
    std::string client;  // "pc.office.example [192.168.0.7]"
};

// No recipient is open any more: the message leaves the queue.
struct Completed {
    queue::MessageId id = 0;
    Millis age{};  // since the message arrived
};

// An operator or the client cancelled these recipients.
struct Cancelled {
    queue::MessageId id = 0;
    std::size_t recipients = 0;
};

// The store could not return the message. If it is damaged, it leaves the queue; otherwise it is
// read again later.
struct Unreadable {
    queue::MessageId id = 0;
    std::string reason;
};

}  // namespace mta::events
