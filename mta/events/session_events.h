#pragma once
#include <cstdint>
#include <string>

#include "mta/base/ip_address.h"
#include "queue/message.h"

namespace mta::events {

// The SMTP session of a client that an event is about.
struct SessionRef {
    std::uint64_t number = 0;
    IpAddress client;
};

struct SessionBegan {
    SessionRef session;
};

// The store takes no new mail: the message was refused before its body.
struct NotAccepted {
    SessionRef session;
    std::string from;
    std::string reason;
};

// The store could not keep a message whose final dot had been received.
struct NotStored {
    SessionRef session;
    queue::MessageId id = 0;
    std::string reason;
};

// A message ended before its final dot.
struct Aborted {
    SessionRef session;
    queue::MessageId id = 0;
    std::string from;
    std::string reason;
};

// A client asked with ETRN for the mail that waits for it.
struct MailCalledFor {
    SessionRef session;
    std::string node;
    std::string reply;
};

// A command was refused.
struct CommandRefused {
    SessionRef session;
    std::string command;
    std::string reply;
    std::string cause;  // what the reply does not say; may be empty
};

struct SessionEnded {
    SessionRef session;
    std::string reason;  // "quit", "idle", ...
    std::string text;    // may be empty
    bool is_ordinary = false;
};

// Connections that were refused before a session began, since the event before this one.
struct ConnectionsRefused {
    std::uint64_t too_many = 0;      // all connections were in use
    std::uint64_t from_address = 0;  // too many from one address
    std::uint64_t from_network = 0;  // too many from one network
    IpAddress last_client;
};

// More than three quarters of all connections are in use, or no longer.
struct ConnectionsScarce {
    bool is_scarce = true;
    std::uint64_t used = 0;
    std::uint64_t max = 0;
};

// A listener cannot accept clients for want of a resource.
struct AcceptingPaused {
    std::string reason;
};

}  // namespace mta::events
