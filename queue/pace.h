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
    // Whose sessions broke, and at what: each once.
    std::vector<SenderGroup> senders;
    std::vector<BrokenAt> breaks;
};
struct PaceSlowed {
    std::uint32_t pauses = 0;
    mta::Instant next_start;
    // An operator has ended the pause that went on until then: a break does not lengthen it.
    std::optional<mta::Instant> before_order;
};

// How fast a destination gets connections that is up (it answers EHLO), but breaks sessions: with
// 421, by hanging up or by saying nothing more.
//
//   steady --on_break: several senders' mail in a row--> slowed --on_break--> slowed, longer pauses
//   steady <-------------------- on_answer -------------------- slowed
//
// One sender's poisonous message, or one poisonous mailbox, changes nothing for the mail of others.
// While slowed a new connection begins only at next_start(). It is never closed: each connection
// may show that it is well again.
class Pace {
public:
    static constexpr mta::Millis pause_min{5'000};
    static constexpr mta::Millis pause_max{300'000};
    // Breaks without an answer between them that slow it down: with the mail of so many senders, or
    // at so many messages or mailboxes. How many recipients a message has, how much mail a mailbox
    // gets and how often it is tried again does not count.
    static constexpr std::size_t senders_max = 3;
    static constexpr std::size_t breaks_max = 10;

    // `sender`: its group (Bundle::sender). `jitter` in [-1, 1]. True: it is slowed down with this.
    bool on_break(SenderGroup sender, const BrokenAt& at, mta::Instant now, double jitter);
    // The remote answered about a message.
    void on_answer() { state_ = Steady{}; }
    // An operator wants to know now.
    void end_pause(mta::Instant now);

    [[nodiscard]] bool is_slowed() const { return std::holds_alternative<Slowed>(state_); }
    // Instant{}: at any time.
    [[nodiscard]] mta::Instant next_start() const;

private:
    using Steady = PaceSteady;
    using Slowed = PaceSlowed;

    std::variant<Steady, Slowed> state_;
};

}  // namespace queue
