// The vocabulary of envelopes and bodies, common to the protocol and the queue.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "mta/base/time.h"

namespace mta {

enum class BodyType : std::uint8_t {
    seven_bit,
    eight_bit_mime,
    binary_mime
};  // RFC 6152, RFC 3030
enum class Ret : std::uint8_t { unspecified, full, headers };  // RFC 3461 section 4.3

// NOTIFY of RFC 3461 section 4.1, a set of bits. Zero: not given, which means failure (and delay,
// as we choose).
enum Notify : std::uint8_t {
    notify_unspecified = 0,
    notify_never = 1,
    notify_success = 2,
    notify_failure = 4,
    notify_delay = 8,
};

// No string in an envelope has a control character.
struct Recipient {
    std::string address;  // local-part@domain as the client wrote it (UTF-8 with SMTPUTF8), without
                          // <> or source route
    std::string
        domain;  // of the address, in the form of mta::to_a_labels(); "[192.0.2.1]" for a literal
    std::uint8_t notify = notify_unspecified;
    std::string orcpt;  // "rfc822;user+2Bx@them.example": type and xtext exactly as received;
                        // empty: not given
    bool operator==(const Recipient&) const = default;
};

// DELIVERBY (RFC 2852): the time by which the sender wants the delivery, and what to do otherwise.
enum class ByMode : std::uint8_t {
    none,       // not asked for
    notify,     // "N": the sender is told that it is late, and it is tried further
    give_back,  // "R": it is given up
};
struct DeliverBy {
    ByMode mode = ByMode::none;
    bool trace = false;  // "T": the sender is told of each relay on the way
    Instant at;          // of mode notify perhaps before the message arrived
    bool operator==(const DeliverBy&) const = default;
};

// MT-PRIORITY (RFC 6710).
inline constexpr std::int8_t priority_min = -9;
inline constexpr std::int8_t priority_max = 9;

// Requests that few senders make.
struct Requests {
    std::int8_t priority = 0;
    Instant release;  // FUTURERELEASE (RFC 4865): not before; Instant{}: at once
    DeliverBy deliver_by;
    bool operator==(const Requests&) const = default;
    [[nodiscard]] bool is_empty() const { return *this == Requests{}; }
};

struct Envelope {
    std::string reverse_path;  // without <>; empty: the null sender
    std::vector<Recipient> recipients;
    BodyType body_type = BodyType::seven_bit;
    bool smtputf8 = false;
    Ret ret = Ret::unspecified;
    std::string envid;  // xtext exactly as received; empty: not given
    Requests requests = {};
    bool operator==(const Envelope&) const = default;
};

// What reception found out about the body; it decides how the message may be sent.
struct BodyFacts {
    std::uint64_t size = 0;  // bytes: our Received line, header, empty line, text; CRLF line ends
    std::uint32_t header_bytes =
        0;  // of them the header section, its last CRLF included, without the empty line
    bool has_8bit = false;             // a byte >= 0x80 somewhere
    bool header_has_8bit = false;      // in the header section: needs SMTPUTF8 (RFC 6531)
    bool has_leading_dots = false;     // some line starts with '.': needs dot-stuffing for DATA
    std::uint32_t line_bytes_max = 0;  // longest line with its CRLF
    bool operator==(const BodyFacts&) const = default;
};

}  // namespace mta
