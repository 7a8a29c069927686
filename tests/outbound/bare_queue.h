#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conf/settings.h"
#include "mta/outbound/desk/attempt_history.h"
#include "mta/outbound/desk/endings.h"
#include "mta/outbound/desk/queue_view.h"
#include "mta/outbound/lifecycle/ledger.h"
#include "mta/outbound/lifecycle/message_copies.h"
#include "mta/outbound/lifecycle/report_writer.h"
#include "mta/outbound/report_request.h"
#include "queue/scheduler.h"
#include "tests/outbound/bare_loop.h"
#include "tests/outbound/fake_store.h"

namespace world {

// A message that a test puts into the queue.
struct BareMail {
    std::string from = "ann@office.example";
    std::vector<std::string> to = {"bob@them.example"};
    std::uint8_t notify = queue::notify_unspecified;
    queue::Requests requests = {};
    bool is_large = false;      // the body is in the store only
    bool is_in_memory = false;  // MessageCopies has the message
};

// What a report was asked to say.
struct BareReport {
    mta::outbound::ReportKind kind;
    std::vector<mta::outbound::RecipientOutcome> outcomes;
    std::string head;
    queue::MessageId original;
    Instant give_up_at;
    std::vector<queue::MessageId> also;
    std::size_t also_unlisted;
    std::vector<std::string> addresses;  // of the outcomes
};

// The queue in memory and its store, with what the parts of a message's life use, and nothing that
// routes or delivers.
struct BareQueue : BareLoop {
    explicit BareQueue(conf::Settings settings = {});

    // A message that arrives now, in the store and in the queue, with its timer set.
    queue::MessageHandle add(const BareMail& mail = {});
    [[nodiscard]] std::shared_ptr<const queue::Message> message(const BareMail& mail = {});
    // The parts of a ledger.
    [[nodiscard]] mta::outbound::Ledger::Parts ledger_parts();

    [[nodiscard]] queue::RecipientEntry& recipient(queue::MessageHandle message,
                                                   std::uint32_t number = 0);
    [[nodiscard]] bool is_queued(queue::MessageId id) const;
    // What the store has of the recipient.
    [[nodiscard]] const queue::RecipientState& stored(queue::MessageId id,
                                                      std::size_t number = 0) const;
    // The calls of the store since the last take_calls().
    [[nodiscard]] std::vector<std::string> take_calls();

    FakeStore store{agenda};
    queue::Scheduler scheduler;
    mta::outbound::MessageCopies copies{context, store, scheduler.table()};
    mta::outbound::AttemptHistory history{scheduler.table(), agenda.now()};
    mta::outbound::Endings endings;
    mta::outbound::Counters totals;
    mta::outbound::Latencies latencies;
    mta::outbound::ReportWriter report_writer{context, endings, totals};
    std::vector<BareReport> reports;

private:
    std::vector<std::shared_ptr<const queue::Message>> report(
        const mta::outbound::ReportRequest& request);
};

[[nodiscard]] queue::Scheduler bare_scheduler(const conf::Settings& settings, Instant now);

}  // namespace world
