#include "mta/outbound/lifecycle/queue_loading.h"

#include <string>
#include <utility>
#include <vector>

#include "mta/outbound/lifecycle/report_rules.h"

namespace mta::outbound {

using queue::StoreError;

void QueueLoading::load(const queue::QueuedMessage& queued) {
    if (parts_.scheduler.table().find(queued.id)) return;
    const auto count = queued.recipients.size();
    if (count == 0) return parts_.store.finish(queued.id, {}, nullptr);  // no recipient is left
    if (count > queue::recipients_max) return return_unloadable(queued.id);
    const auto message = parts_.scheduler.add(queued, context_.now());
    context_.request_tick();
    if (parts_.scheduler.table().message(message).open_count == 0) {
        // The end came between the last state and its removal.
        parts_.ledger.commit(message);
        return;
    }
    parts_.ledger.resume(message);
    if (queued.damage.empty()) {
        parts_.scheduler.rearm(message);
    } else {
        return_damaged(queued.id, queued.damage);
    }
}

// It is never attempted. The envelope is read for the report.
void QueueLoading::return_damaged(queue::MessageId id, const std::string& damage) {
    const auto on_read = [this, id, damage](queue::StoreResult<queue::StoredMessage> stored) {
        const auto message = parts_.scheduler.table().find(id);
        if (!message) return;
        parts_.scheduler.rearm(message);
        context_.request_tick();
        // The attempt meets the damage.
        if (!stored && stored.error().kind == StoreError::Kind::no_resources) return;
        parts_.ledger.note_unreadable(message, {StoreError::Kind::corrupt, damage},
                                      stored ? stored->message : nullptr);
    };
    parts_.store.read(id, reads_.guard(on_read));
}

// An import of earlier versions could queue more recipients than a message can have. All of them
// are returned.
void QueueLoading::return_unloadable(queue::MessageId id) {
    const auto on_read = [this, id](queue::StoreResult<queue::StoredMessage> stored) {
        if (stored) return report_unloadable(*stored);
        context_.event(events::Unreadable{id, stored.error().text});
    };
    parts_.store.read(id, reads_.guard(on_read));
}

void QueueLoading::report_unloadable(const queue::StoredMessage& stored) {
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
        context_.event(events::Failed{{.id = message.id,
                                       .recipient = static_cast<std::uint32_t>(i),
                                       .address = recipients[i].address,
                                       .domain = recipients[i].domain},
                                      error});
        if (wants_report(recipients[i].notify, ReportKind::failure) &&
            !message.envelope.reverse_path.empty())
            outcomes.push_back({.recipient = static_cast<std::uint32_t>(i), .error = error});
    }
    std::vector<std::shared_ptr<const queue::Message>> reports;
    if (!outcomes.empty()) {
        reports = parts_.reports.make({.kind = ReportKind::failure,
                                       .original = message,
                                       .head = {},
                                       .outcomes = outcomes,
                                       .now = context_.now(),
                                       .give_up_at = context_.now(),
                                       .also = {}});
    }
    parts_.store.finish(message.id, reports, nullptr);
    for (auto& report : reports) on_report_(std::move(report));
}

}  // namespace mta::outbound
