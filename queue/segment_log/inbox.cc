#include "queue/segment_log/inbox.h"

#include <utility>

#include "mta/base/assert.h"

namespace queue::segment_log {

Inbox::Ticket Inbox::add(MessageId id, Request request) {
    const auto ticket = next_ticket_++;
    request.id = id;
    requests_.emplace(ticket, std::move(request));
    lines_[id].push_back(ticket);
    return ticket;
}

Inbox::Ticket Inbox::expect_write(MessageId id, Store::OnDone on_done,
                                  const std::vector<std::shared_ptr<const Message>>& reports) {
    Request request{.callback = std::move(on_done), .is_write = true};
    for (const auto& report : reports) {
        request.companions.push_back(
            add(report->id, {.callback = Store::OnDone(), .is_write = true}));
    }
    return add(id, std::move(request));
}

void Inbox::expect_read(MessageId id, ReadRequest request, Callback callback) {
    const auto ticket = next_ticket_;
    request.ticket = ticket;
    add(id, {.callback = std::move(callback), .is_write = false, .unsent = std::move(request)});
    send_reads(id);
}

void Inbox::expect_load(Store::OnLoaded on_loaded) {
    MTA_ASSERT(!on_loaded_);
    on_loaded_ = std::move(on_loaded);
    send_read_({.what = LoadNext{}});
}

void Inbox::take(Ticket ticket, Answer answer) {
    if (is_closed_) return;
    const auto found = requests_.find(ticket);
    MTA_ASSERT(found != requests_.end());
    const auto id = found->second.id;
    const auto companions = std::move(found->second.companions);
    std::vector<MessageId> reports;
    for (const auto companion : companions) {
        auto& request = requests_.at(companion);
        request.answer.emplace(StoreResult<void>());
        reports.push_back(request.id);
    }
    found->second.answer = std::move(answer);
    for (const auto report : reports) settle(report);
    settle(id);
}

// Calls the callbacks at the front of the line, up to the first request without an answer.
void Inbox::settle(MessageId id) {
    while (!is_closed_) {
        const auto line = lines_.find(id);
        if (line == lines_.end()) return;
        const auto first = requests_.find(line->second.front());
        if (!first->second.answer) break;
        auto request = std::move(first->second);
        requests_.erase(first);
        line->second.pop_front();
        if (line->second.empty()) lines_.erase(line);
        call(std::move(request));
    }
    if (!is_closed_) send_reads(id);
}

void Inbox::send_reads(MessageId id) {
    const auto line = lines_.find(id);
    if (line == lines_.end()) return;
    for (const auto ticket : line->second) {
        auto& request = requests_.at(ticket);
        if (request.is_write && !request.answer) return;
        if (!request.unsent) continue;
        send_read_(*std::exchange(request.unsent, std::nullopt));
    }
}

void Inbox::call(Request request) {
    auto& answer = *request.answer;
    if (auto* on_done = std::get_if<Store::OnDone>(&request.callback)) {
        if (*on_done) (*on_done)(std::move(std::get<StoreResult<void>>(answer)));
    } else if (auto* on_message = std::get_if<Store::OnMessage>(&request.callback)) {
        (*on_message)(std::move(std::get<StoreResult<StoredMessage>>(answer)));
    } else {
        auto& on_bytes = std::get<Store::OnBytes>(request.callback);
        on_bytes(std::move(std::get<StoreResult<std::string>>(answer)));
    }
}

void Inbox::take_loaded(LoadedBatch batch) {
    if (is_closed_) return;
    const bool last = batch.last;
    // Kept aside while it runs, because it may destroy the store and must not destroy itself.
    auto on_loaded = std::move(on_loaded_);
    on_loaded_ = nullptr;
    // The loader makes the next batch ready while this one is taken in.
    if (!last) send_read_({.what = LoadNext{}});
    on_loaded(std::move(batch.messages), last);
    if (is_closed_ || last) return;
    on_loaded_ = std::move(on_loaded);
}

}  // namespace queue::segment_log
