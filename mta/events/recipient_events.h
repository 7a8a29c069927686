#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "queue/message.h"

namespace mta::events {

// The recipient that an event is about. `address` is empty where only the disk has the envelope;
// `recipient` and `domain` identify the recipient then.
struct RecipientRef {
    queue::MessageId id = 0;
    std::size_t recipient = 0;  // index into envelope.recipients
    std::string address;
    std::string domain;
    std::string destination;  // the route's hosts or the MX site; empty: not routed
    std::string source = {};  // the [[source]] that was used; empty: none
};

struct Delivered {
    RecipientRef recipient;
    std::string remote;  // "mx1.them.example [192.0.2.1]:25"
    std::uint16_t reply_code = 0;
    std::string reply;  // the remote's words, lines joined by '\n'
    std::uint16_t attempts = 0;
    Millis age{};  // since the message arrived
};

// A remote host refused this message or recipient for now. This counts as an attempt.
struct Deferred {
    RecipientRef recipient;
    DeliveryError error;
    std::uint16_t attempts = 0;
    Instant next_due;
};

struct Failed {
    RecipientRef recipient;
    DeliveryError error;
};

struct Expired {
    RecipientRef recipient;
    DeliveryError last_error;
};

// The final dot was sent and its reply was lost: the remote host may have the message. The next
// attempt is at `next_due`.
struct InDoubt {
    RecipientRef recipient;
    DeliveryError error;
    Instant next_due;
};

}  // namespace mta::events
