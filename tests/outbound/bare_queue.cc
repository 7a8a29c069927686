#include "tests/outbound/bare_queue.h"

#include <optional>
#include <utility>

namespace world {

queue::Scheduler bare_scheduler(const conf::Settings& settings, Instant now) {
    const auto& retry = settings.retry;
    return {{.schedule = retry.schedule,
             .max_interval = retry.max_interval,
             .jitter_percent = 0,
             .lifetime = retry.lifetime,
             .bounce_lifetime = retry.bounce_lifetime,
             .delay_notices = retry.delay_notices},
            [](std::string_view) { return std::nullopt; },
            1,
            now};
}

BareQueue::BareQueue(conf::Settings settings)
    : BareLoop(std::move(settings)), scheduler(bare_scheduler(context.settings(), agenda.now())) {
    make_reports = [this](const auto& request) { return report(request); };
}

std::shared_ptr<const queue::Message> BareQueue::message(const BareMail& mail) {
    auto made = std::make_shared<queue::Message>();
    made->id = store.allocate_id();
    made->arrival = agenda.now();
    made->envelope.reverse_path = mail.from;
    made->envelope.requests = mail.requests;
    for (const auto& address : mail.to) {
        made->envelope.recipients.push_back(
            {address, address.substr(address.rfind('@') + 1), mail.notify, {}});
    }
    const std::string body = "Subject: hello\r\n\r\nhello\r\n";
    made->facts.size = body.size();
    if (mail.is_large) {
        store.append_body(made->id, body, [](const auto&) {});
    } else {
        made->body = body;
    }
    return made;
}

queue::MessageHandle BareQueue::add(const BareMail& mail) {
    auto made = message(mail);
    store.add(made);
    const auto added = scheduler.add(*made);
    if (mail.is_in_memory) copies.keep(added, std::move(made));
    scheduler.rearm(added);
    return added;
}

mta::outbound::Ledger::Parts BareQueue::ledger_parts() {
    return {store, scheduler, copies, history, report_writer, endings, totals, latencies};
}

queue::RecipientEntry& BareQueue::recipient(queue::MessageHandle message, std::uint32_t number) {
    auto& table = scheduler.table();
    return table.recipient(table.message(message), number);
}

bool BareQueue::is_queued(queue::MessageId id) const {
    return static_cast<bool>(scheduler.table().find(id));
}

const queue::RecipientState& BareQueue::stored(queue::MessageId id, std::size_t number) const {
    return store.kept.at(id).states.at(number);
}

std::vector<std::string> BareQueue::take_calls() { return std::exchange(store.calls, {}); }

std::vector<std::shared_ptr<const queue::Message>> BareQueue::report(
    const mta::outbound::ReportRequest& request) {
    BareReport reported{.kind = request.kind,
                        .outcomes = request.outcomes,
                        .head = std::string(request.head),
                        .original = request.original.id,
                        .give_up_at = request.give_up_at,
                        .also = {},
                        .also_unlisted = request.also_unlisted,
                        .addresses = {}};
    for (const auto& outcome : request.outcomes) {
        reported.addresses.push_back(
            request.original.envelope.recipients.at(outcome.recipient).address);
    }
    for (const auto& other : request.also) reported.also.push_back(other.message->id);
    reports.push_back(std::move(reported));
    auto made = std::make_shared<queue::Message>();
    made->id = store.allocate_id();
    made->arrival = agenda.now();
    made->envelope.recipients.push_back(
        {request.original.envelope.reverse_path, "office.example", queue::notify_never, {}});
    made->body = "Subject: report\r\n\r\n";
    made->facts.size = made->body.size();
    made->about = request.original.id;
    return {made};
}

}  // namespace world
