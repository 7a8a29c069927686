#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/envelope.h"
#include "mta/base/mail_address.h"
#include "mta/base/outcome.h"
#include "mta/base/time.h"

namespace queue {

// Unique in a spool for ever; grows in the order in which messages began to arrive. Zero is no
// message. At most message_id_max: a thousand messages a second for 8,900 years.
using MessageId = std::uint64_t;
inline constexpr MessageId message_id_max = (MessageId{1} << 48) - 1;
// More than the configuration lets a client name, and what a MessageTable can hold.
inline constexpr std::size_t recipients_max = 65'535;

// The id as users see it, in logs and in "250 queued as": Crockford's base 32 in lower case, at
// least 6 digits ("00001z").
[[nodiscard]] std::string format_id(MessageId id);
// Accepts either case. Empty if the text is no id.
[[nodiscard]] std::optional<MessageId> parse_id(std::string_view text);

using mta::BodyFacts;
using mta::BodyType;
using mta::Envelope;
using mta::Notify;
using mta::notify_delay;
using mta::notify_failure;
using mta::notify_never;
using mta::notify_success;
using mta::notify_unspecified;
using mta::Recipient;
using mta::Requests;
using mta::Ret;

// An accepted message. It is immutable once made, and the only object that shards share
// (std::shared_ptr<const Message>).
//
// What is delivered, the content, is `added_header` followed by the body. `body` holds the whole
// body, un-stuffed, if it has at most mta::limits::body_inline_bytes_max bytes; otherwise it is
// empty and the store has the body: Store::read_body().
struct Message {
    MessageId id = 0;
    mta::Instant arrival;
    Envelope envelope;
    BodyFacts facts;  // of the content
    // Complete header fields with their CRLFs, at most mta::limits::header_bytes_max bytes, that go
    // in front of the body although they became known when part of it was stored. Mostly empty.
    std::string added_header;
    std::string body;
    // The value of the Message-ID header field, for the log and `why`; at most 255 bytes.
    std::string message_id;
    // Of a report that this relay made (DSN): the message that it is about. Zero otherwise.
    MessageId about = 0;

    [[nodiscard]] std::uint64_t body_bytes() const { return facts.size - added_header.size(); }
    [[nodiscard]] bool is_body_inline() const { return body.size() == body_bytes(); }
    // The content of a message whose body is inline.
    [[nodiscard]] std::string inline_content() const { return added_header + body; }
};

// What has become of one recipient. The store keeps it beside the message.
enum class RecipientPhase : std::uint8_t {
    pending = 0,
    delivered = 1,
    failed = 2,
    expired = 3,
    held = 4,
    cancelled = 5,
};

// When new mail is due: at its arrival, or at the release time that its sender asked for.
[[nodiscard]] inline mta::Instant first_due(mta::Instant arrival, const Requests& requests) {
    return std::max(arrival, requests.release);
}

struct RecipientState {
    RecipientPhase phase = RecipientPhase::pending;
    // The last attempt ended after the final dot without a reply: the message may be delivered.
    bool in_doubt = false;
    bool told_late = false;  // the sender was notified that DeliverBy::at has passed (by-mode N)
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

// What has become of some of a message's recipients, or of all. So when one recipient of ten
// thousand is answered, what is written does not grow with the others.
struct StateChanges {
    struct Change {
        std::uint32_t recipient = 0;  // its number in the envelope
        RecipientState state;
        bool operator==(const Change&) const = default;
    };
    std::uint32_t recipients = 0;  // of the message, including those without a change
    std::vector<Change> changes;   // in the envelope's order, each recipient once at most

    StateChanges() = default;
    // All of them. NOLINTNEXTLINE(google-explicit-constructor)
    StateChanges(const std::vector<RecipientState>& all);

    [[nodiscard]] bool are_whole() const { return recipients > 0 && changes.size() == recipients; }
    // Of a recipient that is in both, the newer state counts.
    void merge(StateChanges newer);
    // Returns false, and changes nothing, if these are the changes of another message.
    [[nodiscard]] bool apply_to(std::vector<RecipientState>& states) const;
    bool operator==(const StateChanges&) const = default;
};

// What a store hands over at start. It is all that is kept in RAM of a queued message: no address
// but the sender's, and no body.
struct QueuedRecipient {
    std::string domain;              // A-labels, lower case
    std::uint32_t address_hash = 0;  // hash_of_address()
    std::uint8_t notify = notify_unspecified;
    RecipientState state;
};
struct QueuedMessage {
    MessageId id = 0;
    mta::Instant arrival;
    std::uint64_t size = 0;  // of the content
    std::string sender;      // reverse-path; empty: the null sender
    Requests requests = {};
    std::uint32_t message_id_hash = 0;  // hash_of_message_id()
    // If it cannot be delivered any more: in words, what of it is lost. Empty if it is whole, as
    // far as is known.
    std::string damage = {};
    std::vector<QueuedRecipient> recipients;
};

// Hashes by which addresses and Message-IDs are looked for while they are on disk only. The caller
// must check a hit. They are part of the spool's format (.idx files).
//
// The hash of an address ignores the case of the local part: no mail system is known to need it,
// and operators type either case. The domain is to be as Recipient::domain has it.
[[nodiscard]] std::uint32_t hash_of_address(const mta::AddressParts& address);
[[nodiscard]] std::uint32_t hash_of_address(const Recipient& recipient);
// The hash of a Message-ID field's bare_message_id().
[[nodiscard]] std::uint32_t hash_of_message_id(std::string_view field);
// "abc@def" of "<abc@def>", of "<abc@def> (a comment)", and of itself.
[[nodiscard]] std::string_view bare_message_id(std::string_view field);

struct StoredMessage {
    std::shared_ptr<const Message> message;
    // One for each of message->envelope.recipients, in that order.
    std::vector<RecipientState> states;
};
// The part of it that is kept in RAM.
[[nodiscard]] QueuedMessage to_queued(const StoredMessage& stored);

}  // namespace queue
