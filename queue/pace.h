#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "mta/base/time.h"
#include "queue/handles.h"
#include "queue/message.h"

namespace queue {

// What a session broke at: a message, or, if it was that alone, one mailbox of it.
struct BrokenAt {
    MessageId message = 0;
    std::optional<std::uint32_t> mailbox;  // RecipientEntry::address_hash

    [[nodiscard]] bool is_same(const BrokenAt& other) const {
        if (mailbox && other.mailbox) return *mailbox == *other.mailbox;
        return message == other.message;
    }
};

// The states of a Pace.
struct PaceSteady {
    // The senders whose sessions broke, and what they broke at: each once.
    std::vector<SenderGroup> senders;
    std::vector<BrokenAt> breaks;
};
struct PaceSlowed {
    std::uint32_t pauses = 0;
    mta::Instant next_start;
    // When a pause that an operator has ended would have ended by itself: a break before that time
    // does not lengthen the pauses.
    std::optional<mta::Instant> before_order;
};

// How fast connections are made to a destination that is up (it answers EHLO) but breaks sessions:
// with 421, by closing the connection, or by falling silent.
//
//   steady --on_break: several senders' mail in a row--> slowed --on_break--> slowed, longer pauses
//   steady <-------------------- on_answer -------------------- slowed
//
// One sender's poisonous message, or one poisonous mailbox, changes nothing for the mail of others.
// While slowed, a new connection begins only at next_start(). The destination is never shut off:
// each connection may show that it works again.
class Pace {
public:
    static constexpr mta::Millis pause_min{5'000};
    static constexpr mta::Millis pause_max{300'000};
    // Breaks that slow it down, if no answer comes between them: with the mail of so many senders,
    // or at so many messages or mailboxes. The number of recipients of a message, the amount of
    // mail for a mailbox and the number of attempts do not count.
    static constexpr std::size_t senders_max = 3;
    static constexpr std::size_t breaks_max = 10;

    // `sender`: its group (Bundle::sender). `jitter` is in [-1, 1]. Returns true if the destination
    // is slowed down with this.
    bool on_break(SenderGroup sender, const BrokenAt& at, mta::Instant now, double jitter);
    // The remote answered about a message.
    void on_answer() { state_ = Steady{}; }
    // For an operator's order to try now.
    void end_pause(mta::Instant now);

    [[nodiscard]] bool is_slowed() const { return std::holds_alternative<Slowed>(state_); }
    // Instant{} means at any time.
    [[nodiscard]] mta::Instant next_start() const;

private:
    using Steady = PaceSteady;
    using Slowed = PaceSlowed;

    std::variant<Steady, Slowed> state_;
};

}  // namespace queue
