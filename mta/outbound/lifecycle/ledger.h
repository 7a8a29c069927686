#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/pending.h"
#include "mta/outbound/context.h"
#include "mta/outbound/desk/attempt_history.h"
#include "mta/outbound/desk/endings.h"
#include "mta/outbound/desk/queue_view.h"
#include "mta/outbound/lifecycle/gathered_failures.h"
#include "mta/outbound/lifecycle/message_copies.h"
#include "mta/outbound/lifecycle/outcome.h"
#include "mta/outbound/lifecycle/report_writer.h"
#include "queue/scheduler.h"
#include "queue/store.h"

namespace mta::outbound {

// Enters what has happened into the scheduler and the store, in one step with the reports that it
// calls for (report_rules.h):
//
//   - A failure or expiry is reported unless NOTIFY forbids it; never to the null sender (a double
//     bounce: dropped, with an event).
//   - A delay is reported unless NOTIFY is given without DELAY: DelayNotices; and once when the
//     time that DELIVERBY gives with mode N has passed.
//   - With mode R it expires at that time, whatever was said last: 5.4.7.
//   - All deliveries of one step share a report, and so do all delays. Failures of one message
//     share a report for longer: it is made when no other recipient is open or an operator gives
//     one up, else after a minute, or after up to ten minutes while others are under way
//     (GatheredFailures).
//
// A recipient is failed in the store only together with its report: until then it is pending there,
// with a permanent error, which means after a restart that its report is still to be made
// (resume()). A delivery is put down at once; its report may be lost with the process.
class Ledger {
public:
    struct Handlers {
        // A report was handed to the store; it is now mail to be delivered.
        std::function<void(std::shared_ptr<const queue::Message>)> on_report;
        // It is damaged, and its envelope is this: the recipients that are open fail, with this
        // reason.
        std::function<void(queue::MessageHandle message,
                           const std::shared_ptr<const queue::Message>& content,
                           const std::string& reason)>
            on_damaged;
        // Why a recipient has come to nothing so far.
        std::function<DeliveryError(const queue::RecipientEntry&)> reason_of;
        // Its destination, or its domain's DNS, is down.
        std::function<bool(const queue::RecipientEntry&)> waits_for_outage;
    };

    struct Parts {
        queue::Store& store;
        queue::Scheduler& scheduler;
        MessageCopies& copies;
        AttemptHistory& history;
        ReportWriter& reports;
        Endings& endings;
        Counters& totals;
        Latencies& latencies;
    };
    Ledger(Context& context, Parts parts, Handlers handlers)
        : context_(context), parts_(parts), handlers_(std::move(handlers)) {}

    // The recipients must be in no bundle any more. `content`: the message, if it is at hand. When
    // the last recipient is done the message leaves the queue: its index is void after the call.
    void settle(queue::MessageHandle message, const std::shared_ptr<const queue::Message>& content,
                std::string_view destination, std::span<const Outcome> outcomes);
    // About recipients whose sender set a time that has passed, and wants a notice then.
    void send_late_notice(queue::MessageHandle message);
    // The states were changed by an order: to the store, and out of the queue if that was the last.
    void commit(queue::MessageHandle message);
    // The same; `reports` in the same step. They are mail to be delivered then.
    void commit(queue::MessageHandle message,
                std::vector<std::shared_ptr<const queue::Message>> reports);
    // The same when only these recipients have changed: costs nothing for the others.
    void commit(queue::MessageHandle message, std::vector<std::uint32_t> numbers,
                std::vector<std::shared_ptr<const queue::Message>> reports);
    // Out of the queue, without a word to the store.
    void drop(queue::MessageHandle message);
    // The store cannot give the message back, or its body (`content` is the rest then). Returns
    // true if it is damaged, and leaves the queue with a report; if its envelope is unreadable too,
    // the report names what the queue remembers, the recipients' domains. Otherwise the message
    // stays in the queue and is to be read again later, even if the store says that it has no such
    // message.
    bool note_unreadable(queue::MessageHandle message, const queue::StoreError& error,
                         const std::shared_ptr<const queue::Message>& content = nullptr);

    // A message was loaded: what was given up before the restart, and not reported, is reported.
    void resume(queue::MessageHandle message);

    // Makes the reports that are due.
    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const;
    // No report is being made. Failures may be waiting for others: the store has them.
    [[nodiscard]] bool is_idle() const { return jobs_ == 0; }

private:
    // Reports of gathered failures that are being made at a time: each may need the message in
    // memory.
    static constexpr std::size_t jobs_max = 32;

    struct Job {
        queue::MessageId id = 0;
        std::shared_ptr<const queue::Message> content;
        std::vector<std::uint32_t> changed;  // recipients; the store gets them with the reports
        std::vector<RecipientOutcome> failures;
        std::vector<RecipientOutcome> relayed;
        std::vector<RecipientOutcome> delays;
    };

    void enter(queue::MessageHandle message, const Outcome& outcome, events::RecipientRef who,
               Job& job);
    void enter_failure(queue::MessageHandle message, const Outcome& outcome,
                       const events::RecipientRef& who, Job& job);
    void gather(queue::MessageEntry& entry, RecipientOutcome failure,
                Millis wait = GatheredFailures::wait);
    [[nodiscard]] std::vector<RecipientOutcome> take_gathered(queue::MessageEntry& entry);
    [[nodiscard]] bool are_all_gathered(const queue::MessageEntry& entry) const;
    [[nodiscard]] bool is_under_way(queue::MessageHandle message) const;
    // `changed`: other recipients whose states the store must get.
    void report_gathered(queue::MessageHandle message, std::vector<std::uint32_t> changed);
    [[nodiscard]] std::vector<std::uint32_t> all_of(queue::MessageHandle message) const;
    [[nodiscard]] static std::vector<std::uint32_t> changed_of(const Job& job);
    void begin(queue::MessageHandle message, Job job);
    void read_content(Job job);
    void read_head(Job job);
    void finish(Job job, std::string_view head);
    void give_up_reports(Job job, const queue::StoreError& error);
    void make(const Job& job, ReportKind kind, std::string_view head,
              std::vector<std::shared_ptr<const queue::Message>>& reports);

    Context& context_;
    Parts parts_;
    Handlers handlers_;
    std::size_t jobs_ = 0;
    GatheredFailures gathered_;
    Pending reads_;
};

}  // namespace mta::outbound
