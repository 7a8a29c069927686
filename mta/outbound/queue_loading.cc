// Takes back what was queued when the relay was stopped.
#include "mta/outbound/queue_manager_impl.h"

namespace mta::outbound {

using queue::StoreError;

void QueueManager::Impl::load(const queue::QueuedMessage& queued) {
    if (scheduler.table().find(queued.id)) return;
    const auto count = queued.recipients.size();
    if (count == 0) return ports.store.finish(queued.id, {}, nullptr);  // no recipient is left
    if (count > queue::recipients_max) return return_unloadable(queued.id);
    const auto message = scheduler.add(queued, context.now());
    context.request_tick();
    if (scheduler.table().message(message).open_count == 0) {
        // The end came between the last state and its removal.
        ledger.commit(message);
        return;
    }
    ledger.resume(message);
    if (queued.damage.empty()) {
        scheduler.rearm(message);
    } else {
        return_damaged(queued.id, queued.damage);
    }
}

// It is never attempted. The envelope is read for the report.
void QueueManager::Impl::return_damaged(queue::MessageId id, const std::string& damage) {
    const auto on_read = [this, id, damage](queue::StoreResult<queue::StoredMessage> stored) {
        const auto message = scheduler.table().find(id);
        if (!message) return;
        scheduler.rearm(message);
        context.request_tick();
        // The attempt meets the damage.
        if (!stored && stored.error().kind == StoreError::Kind::no_resources) return;
        ledger.note_unreadable(message, {StoreError::Kind::corrupt, damage},
                               stored ? stored->message : nullptr);
    };
    ports.store.read(id, reads.guard(on_read));
}

// An import of earlier versions could queue more recipients than a message can have. All of them
// are returned.
void QueueManager::Impl::return_unloadable(queue::MessageId id) {
    const auto on_read = [this, id](queue::StoreResult<queue::StoredMessage> stored) {
        if (stored) return report_unloadable(*stored);
        context.event(events::Unreadable{id, stored.error().text});
    };
    ports.store.read(id, reads.guard(on_read));
}

void QueueManager::Impl::report_unloadable(const queue::StoredMessage& stored) {
    const auto& message = *stored.message;
    const auto& recipients = message.envelope.recipients;
    const DeliveryError error{.status = {5, 3, 0},
                              .scope = Scope::message,
                              .text = "the message has " + std::to_string(recipients.size()) +
                                      " recipients, more than the " +
                                      std::to_string(queue::recipients_max) +
                                      " that one message can have"};
    std::vector<RecipientOutcome> outcomes;
    for (std::size_t i = 0; i < recipients.size(); ++i) {
        if (!stored.states[i].is_open()) continue;
        context.event(events::Failed{{.id = message.id,
                                      .recipient = static_cast<std::uint32_t>(i),
                                      .address = recipients[i].address,
                                      .domain = recipients[i].domain},
                                     error});
        const auto notify = recipients[i].notify;
        const bool is_wanted =
            notify == queue::notify_unspecified || (notify & queue::notify_failure) != 0;
        if (is_wanted && !message.envelope.reverse_path.empty())
            outcomes.push_back({.recipient = static_cast<std::uint32_t>(i), .error = error});
    }
    std::vector<std::shared_ptr<const queue::Message>> reports;
    if (!outcomes.empty()) {
        reports = ledger.make_reports({.kind = ReportKind::failure,
                                       .original = message,
                                       .head = {},
                                       .outcomes = outcomes,
                                       .now = context.now(),
                                       .give_up_at = context.now(),
                                       .also = {}});
    }
    ports.store.finish(message.id, reports, nullptr);
    for (auto& report : reports) accept(std::move(report));
}

}  // namespace mta::outbound
