#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/base/time.h"

namespace queue {

// Unique in a spool for ever; grows in the order in which messages began to arrive. Zero is no
// message.
using MessageId = std::uint64_t;

// For people, logs and the "250 queued as": Crockford's base 32 in lower case, at least 6 digits
// ("00001z").
[[nodiscard]] std::string format_id(MessageId id);
// Takes either case; nothing if it is no id.
[[nodiscard]] std::optional<MessageId> parse_id(std::string_view text);

enum class BodyType : std::uint8_t {
    seven_bit,
    eight_bit_mime,
    binary_mime
};                                                             // RFC 6152, RFC 3030
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

struct Recipient {
    std::string
        address;  // local-part@domain as the client wrote it (UTF-8 with SMTPUTF8), without <>
    std::string
        domain;  // of the address, in the form of mta::to_a_labels(); "[192.0.2.1]" for a literal
    std::uint8_t notify = notify_unspecified;
    std::string orcpt;  // "rfc822;user+2Bx@them.example": type and xtext exactly as received;
                        // empty: not given
    bool operator==(const Recipient&) const = default;
};

struct Envelope {
    std::string reverse_path;  // without <>; empty: the null sender
    std::vector<Recipient> recipients;
    BodyType body_type = BodyType::seven_bit;
    bool smtputf8 = false;
    Ret ret = Ret::unspecified;
    std::string envid;  // xtext exactly as received; empty: not given
    bool operator==(const Envelope&) const = default;
};

// What was learnt about the body while it came in; decides how it may leave.
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

// An accepted message. Immutable once made, and the one thing that shards may share
// (std::shared_ptr<const Message>). `body` holds the whole body, un-stuffed, if it has at most
// mta::limits::body_inline_bytes_max bytes; otherwise it is empty and the store has the body:
// Store::read_body().
struct Message {
    MessageId id = 0;
    mta::Instant arrival;
    Envelope envelope;
    BodyFacts facts;
    std::string body;
    std::string message_id;  // the Message-ID header field's value, for the log and `why`; at most
                             // 255 bytes
    // Only for reports that we made ourselves (DSNs): what they are about. Zero otherwise.
    MessageId about = 0;

    [[nodiscard]] bool is_body_inline() const { return body.size() == facts.size; }
};

// What has become of one recipient, kept on disk beside the message.
enum class RecipientPhase : std::uint8_t {
    pending = 0,
    delivered = 1,
    failed = 2,
    expired = 3,
    held = 4,
    cancelled = 5,
};

struct RecipientState {
    RecipientPhase phase = RecipientPhase::pending;
    bool in_doubt =
        false;  // the last attempt ended after the final dot without a reply: may be delivered
    std::uint8_t delay_notices = 0;  // delay DSNs sent
    std::uint16_t attempts = 0;  // attempts that a remote answered about this message or recipient
    mta::Instant next_due;       // of the next attempt; means nothing unless pending
    mta::Instant last_attempt;   // Instant{}: none yet
    // The last failure, empty if there was none. `text` is cut to
    // mta::limits::kept_reply_bytes_max.
    mta::DeliveryError last_error;

    [[nodiscard]] bool is_open() const {
        return phase == RecipientPhase::pending || phase == RecipientPhase::held;
    }
    bool operator==(const RecipientState&) const = default;
};

struct StoredMessage {
    std::shared_ptr<const Message> message;
    std::vector<RecipientState>
        states;  // one for each of message->envelope.recipients, in that order
};

}  // namespace queue
