// Which mail an operator means, and what is found of it without a look at the disk.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/outbound/desk/queue_view.h"
#include "queue/message.h"

namespace mta::outbound {

// All that is given must hold, for a message and for one and the same of its open recipients; what
// is empty does not matter.
struct MessageFilter {
    // Of the message.
    std::optional<queue::MessageId> id;
    // Without regard to case; "" is the null sender, "@them.example" everybody there.
    std::optional<std::string> sender;
    std::string message_id;  // as of queue::bare_message_id()
    std::optional<Instant> arrived_before;
    std::optional<Instant> arrived_after;
    std::optional<std::uint64_t> larger_than;  // bytes; sizes are known in KiB, rounded up
    std::optional<std::uint64_t> smaller_than;
    // The sender or the Message-ID of the message, or the recipient.
    std::string mention;
    // Of the recipient.
    std::string recipient;  // an address
    std::string domain;     // as of mta::to_a_labels(); ".suffix" means its subtree
    std::string host;       // part of its destination's name, or of the host that failed last
    std::string reply;      // part of what was said last, without regard to case
    std::optional<ViewState> state;

    [[nodiscard]] bool is_everything() const { return *this == MessageFilter{}; }
    // Whether it may select some recipients of a message and not others.
    [[nodiscard]] bool is_about_recipients() const {
        return !mention.empty() || !recipient.empty() || !domain.empty() || !host.empty() ||
               !reply.empty() || state;
    }
    // Addresses and Message-IDs are found by their hashes, so that a hit is only likely: the
    // message on disk decides (is_confirmed_by()).
    [[nodiscard]] bool is_by_hash() const {
        return !mention.empty() || !recipient.empty() || !message_id.empty();
    }
    bool operator==(const MessageFilter&) const = default;
};

// Whether it is what was looked for, of one of a message's recipients as describe() gives it.
// Looks at what was found by hash only.
[[nodiscard]] bool is_confirmed_by(const MessageFilter& filter, const MessageView& message,
                                   const RecipientView& recipient);

// A recipient that matches. The views are good during the call.
struct RecipientHit {
    std::uint32_t number = 0;  // its place in the envelope
    std::uint16_t attempts = 0;
    ViewState state = ViewState::queued;
    const DeliveryError* error = nullptr;  // as RecipientView::last_error; null: none so far
    const void* error_identity = nullptr;  // the same for the same error, during one scan
    // Only with ScanRange::with_details:
    std::string_view domain;
    std::string_view destination;         // empty: not routed yet
    std::optional<Instant> next_attempt;  // nothing: under way, in line, or held
    // Always: it waits for the time for which its sender wanted it.
    bool is_for_later = false;
};
struct MessageHit {
    queue::MessageId id = 0;
    Instant arrived;
    std::uint64_t size_bytes = 0;  // rounded up to KiB
    std::string_view sender;
    std::span<const RecipientHit> recipients;
    std::size_t recipients_in_all = 0;  // finished ones and those that do not match included
};
// Returns false when it has enough.
using OnHit = std::function<bool(const MessageHit&)>;

// A position in the queue between two scans. Mail that comes or goes meanwhile may be missed or, if
// it has just come, be seen; nothing is seen twice.
using ScanCursor = std::uint32_t;
struct ScanRange {
    ScanCursor from = 0;
    std::size_t messages_max = 100'000;  // to look at, in one turn of the loop
    bool with_details = true;
};

}  // namespace mta::outbound
