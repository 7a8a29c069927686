#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "mta/base/time.h"
#include "queue/handles.h"

namespace mta::outbound {

// The mailboxes of a site at whose RCPT its hosts fall silent or break the session. Mail for such a
// mailbox is delivered one message at a time, and the rest stands aside (Lines::make_way()).
// Otherwise thirty messages to a mailbox at which the host hangs would occupy all of the site's
// connections for minutes, and again at every retry.
//
// A mailbox is identified by its RecipientEntry::address_hash, a sender by its group
// (Bundle::sender). A break makes the mailbox suspect for mail of that sender. Breaks with the mail
// of two senders, without an answer between them, make it suspect for all mail. An answer about the
// mailbox, whatever it says, clears the sender whose mail it was and ends the suspicion of all
// mail. Without further breaks a suspicion ends after an hour.
class SuspectMailboxes {
public:
    static constexpr Millis suspected_for{3'600'000};
    // Beyond these limits the mailbox, or the sender, that has been known for longest is forgotten.
    static constexpr std::size_t mailboxes_max = 64;
    static constexpr std::size_t senders_max = 16;

    [[nodiscard]] bool is_empty() const { return mailboxes_.empty(); }

    // A session broke at it.
    void note_break(std::uint32_t mailbox, queue::SenderGroup sender, Instant now) {
        auto& known = touch(mailbox, now);
        known.is_for_all = known.is_for_all || (known.last && *known.last != sender);
        known.last = sender;
        if (std::ranges::find(known.senders, sender) != known.senders.end()) return;
        if (known.senders.size() == senders_max) known.senders.erase(known.senders.begin());
        known.senders.push_back(sender);
    }
    // The host has answered about the mailbox, with any reply.
    void note_answer(std::uint32_t mailbox, queue::SenderGroup sender) {
        const auto known = std::ranges::find(mailboxes_, mailbox, &Mailbox::hash);
        if (known == mailboxes_.end()) return;
        look_again();
        known->is_for_all = false;
        known->last.reset();
        std::erase(known->senders, sender);
        if (known->senders.empty()) mailboxes_.erase(known);
    }
    // A delivery to the mailbox has begun: if the mailbox is suspect, it is held until release().
    void hold_if_suspected(std::uint32_t mailbox, queue::SenderGroup sender,
                           std::uint64_t delivery) {
        const auto known = std::ranges::find(mailboxes_, mailbox, &Mailbox::hash);
        if (known != mailboxes_.end() && known->is_suspected(sender))
            known->holders.push_back(delivery);
    }
    // A delivery has waited for the reply to this RCPT for SilentConnections::silence_min.
    void note_silence(std::uint32_t mailbox, queue::SenderGroup sender, std::uint64_t delivery,
                      Instant now) {
        note_break(mailbox, sender, now);
        hold_if_suspected(mailbox, sender, delivery);
    }
    void release(std::uint64_t delivery) {
        for (auto& known : mailboxes_)
            if (std::erase(known.holders, delivery) > 0) look_again();
    }
    void forget_old(Instant now) {
        std::erase_if(mailboxes_, [&](const auto& known) {
            return known.holders.empty() && now - known.since >= suspected_for;
        });
    }

    [[nodiscard]] bool is_suspected(std::uint32_t mailbox, queue::SenderGroup sender) const {
        const auto* const known = find(mailbox);
        return known != nullptr && known->is_suspected(sender);
    }
    [[nodiscard]] bool is_held(std::uint32_t mailbox, queue::SenderGroup sender) const {
        const auto* const known = find(mailbox);
        return known != nullptr && !known->holders.empty() && known->is_suspected(sender);
    }
    [[nodiscard]] bool are_any_held() const {
        return std::ranges::any_of(mailboxes_,
                                   [](const auto& known) { return !known.holders.empty(); });
    }
    // Mailboxes may have become free since the last take_change().
    void look_again() { has_changed_ = true; }
    [[nodiscard]] bool take_change() { return std::exchange(has_changed_, false); }

private:
    struct Mailbox {
        std::uint32_t hash = 0;
        Instant since;                       // of the last break
        std::vector<std::uint64_t> holders;  // deliveries
        std::vector<queue::SenderGroup> senders;
        std::optional<queue::SenderGroup> last;  // since the last answer
        bool is_for_all = false;

        [[nodiscard]] bool is_suspected(queue::SenderGroup sender) const {
            return is_for_all || std::ranges::find(senders, sender) != senders.end();
        }
    };

    [[nodiscard]] const Mailbox* find(std::uint32_t mailbox) const {
        const auto known = std::ranges::find(mailboxes_, mailbox, &Mailbox::hash);
        return known == mailboxes_.end() ? nullptr : &*known;
    }
    [[nodiscard]] Mailbox& touch(std::uint32_t mailbox, Instant now) {
        auto known = std::ranges::find(mailboxes_, mailbox, &Mailbox::hash);
        if (known == mailboxes_.end()) {
            if (mailboxes_.size() == mailboxes_max) {
                mailboxes_.erase(mailboxes_.begin());
                look_again();
            }
            known = mailboxes_.insert(mailboxes_.end(), Mailbox{.hash = mailbox, .since = now});
        }
        known->since = now;
        return *known;
    }

    std::vector<Mailbox> mailboxes_;
    bool has_changed_ = false;
};

}  // namespace mta::outbound
