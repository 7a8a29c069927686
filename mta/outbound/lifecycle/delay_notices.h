#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mta/base/pending.h"
#include "mta/outbound/context.h"
#include "mta/outbound/lifecycle/ledger.h"
#include "mta/outbound/lifecycle/message_copies.h"
#include "queue/queue_walk.h"

namespace mta::outbound {

// Informs senders that their mail is late: each sender gets one notice that lists all of their
// messages that wait, and not one notice for each message.
//
//   note_due() -> gathering, a moment -> a walk over the queue, in slices -> reading what is to be
//   reported -> one report, with the states of all messages that it lists
//
//   - The first message that reaches an age of `retry.delay_notices` brings it. The notice lists
//     all messages of that sender that are due for one; and those that were in none yet, if they
//     wait for a destination or DNS that is down, or are half as old.
//   - Then the sender gets no notice for as long as the first of those ages, whatever else comes
//     due: that is in the next one. If there was nothing left to report, the next message that
//     comes due brings it.
//   - The report names `listed_max` messages and counts the others.
//
// Crash safety: the report enters the store in one step with the state of its first message; the
// states of the others follow behind. After a crash some may be in a second notice. Messages that
// were only counted are not marked on disk before their next change.
//
// Memory: the last notice is remembered for `senders_max` senders; beyond that the oldest is
// forgotten, and the sender may get another one.
class DelayNotices {
public:
    static constexpr std::size_t listed_max = 50;
    static constexpr std::size_t senders_max = 100'000;

    struct Handlers {
        // Why a recipient has come to nothing so far.
        std::function<DeliveryError(const queue::RecipientEntry&)> reason_of;
        // What the recipient waits for is down.
        std::function<bool(const queue::RecipientEntry&)> waits_for_outage;
        // It is too early for a notice about the recipient, for a reason that is not the sender's.
        std::function<bool(const queue::MessageEntry&, const queue::RecipientEntry&)> is_too_early;
    };
    struct Parts {
        queue::Store& store;
        queue::Scheduler& scheduler;
        Ledger& ledger;
        ReportWriter& reports;
        MessageCopies& copies;
    };
    DelayNotices(Context& context, Parts parts, Handlers handlers)
        : context_(context),
          store_(parts.store),
          scheduler_(parts.scheduler),
          ledger_(parts.ledger),
          reports_(parts.reports),
          copies_(parts.copies),
          handlers_(std::move(handlers)) {}

    // A message is due for a notice, as the scheduler says.
    void note_due(queue::MessageHandle message);
    // No notice about any message of that sender before this.
    [[nodiscard]] Instant not_before(std::string_view sender) const;

    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const;

private:
    // What one sender is going to be told.
    struct Batch {
        std::vector<queue::MessageId> listed;  // the oldest ones, ascending
        std::size_t unlisted = 0;
    };
    struct Item {
        queue::MessageId id = 0;
        std::shared_ptr<const queue::Message> message;  // null: it is gone, or cannot be read
        std::string head;                               // unless it is inline
        // Filled in at the end.
        queue::MessageHandle handle;
        std::vector<RecipientOutcome> outcomes;
        Instant give_up_at;
    };
    struct Job {
        std::string sender;
        std::vector<Item> items;
        std::size_t unlisted = 0;
        std::size_t unread = 0;
    };
    using JobPtr = std::shared_ptr<Job>;
    struct StringHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    [[nodiscard]] Millis quiet_time() const;
    [[nodiscard]] bool is_being_told(const std::string& sender) const;
    void hold(const std::string& sender, Millis duration);
    void begin_walk();
    void walk();
    void gather(Batch& batch, queue::MessageHandle message);
    [[nodiscard]] bool is_to_be_told(const queue::MessageEntry& message,
                                     const queue::RecipientEntry& recipient) const;
    bool mark(queue::MessageHandle message);
    void begin_job();
    void read(const JobPtr& job, std::size_t number);
    void read_head(const JobPtr& job, std::size_t number);
    void on_read(const JobPtr& job);
    void finish(Job& job);
    void fill_in(Item& item) const;

    Context& context_;
    queue::Store& store_;
    queue::Scheduler& scheduler_;
    Ledger& ledger_;
    ReportWriter& reports_;
    MessageCopies& copies_;
    Handlers handlers_;
    std::optional<Instant> walk_at_;
    std::map<std::string, Batch> asked_;    // for the next walk
    std::map<std::string, Batch> walking_;  // of this one
    queue::QueueWalk walk_;
    std::deque<std::pair<std::string, Batch>> told_;  // to be read and told, one after the other
    JobPtr job_;
    std::unordered_map<std::string, Instant, StringHash, std::equal_to<>> held_;  // not before
    std::deque<std::pair<std::string, Instant>> held_in_order_;
    Pending reads_;
};

}  // namespace mta::outbound
