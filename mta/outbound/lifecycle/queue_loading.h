#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "mta/base/pending.h"
#include "mta/outbound/context.h"
#include "mta/outbound/lifecycle/ledger.h"
#include "mta/outbound/lifecycle/report_writer.h"
#include "queue/message.h"
#include "queue/scheduler.h"
#include "queue/store.h"

namespace mta::outbound {

// Takes back what was queued when the relay was stopped. Messages that are damaged, or that have
// more recipients than a message can have, are returned to their senders without an attempt.
class QueueLoading {
public:
    struct Parts {
        queue::Store& store;
        queue::Scheduler& scheduler;
        Ledger& ledger;
        ReportWriter& reports;
    };
    // `on_report`: a report was handed to the store; it is now mail to be delivered.
    using OnReport = std::function<void(std::shared_ptr<const queue::Message>)>;
    QueueLoading(Context& context, const Parts& parts, OnReport on_report)
        : context_(context), parts_(parts), on_report_(std::move(on_report)) {}

    // Does nothing if the message is in the queue already.
    void load(const queue::QueuedMessage& queued);

private:
    void return_damaged(queue::MessageId id, const std::string& damage);
    void return_unloadable(queue::MessageId id);
    void report_unloadable(const queue::StoredMessage& stored);

    Context& context_;
    Parts parts_;
    OnReport on_report_;
    Pending reads_;
};

}  // namespace mta::outbound
