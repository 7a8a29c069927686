#include "mta/intake/reception.h"

#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"

namespace mta::intake {

Reception::Reception(const Services& services, std::function<void()> on_event)
    : services_(services), on_event_(std::move(on_event)) {}

std::optional<Reception::Event> Reception::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

void Reception::check() { events_.emplace_back(Checked{services_.store.refusal()}); }

void Reception::begin(Beginning beginning) {
    MTA_ASSERT(state_ == State::idle);
    if (beginning.needs_room) {
        if (auto refusal = services_.store.refusal()) {
            events_.emplace_back(Refused{std::move(*refusal)});
            return;
        }
    }
    state_ = State::receiving;
    has_pieces_ = false;
    message_ = std::make_shared<queue::Message>();
    message_->id = services_.store.allocate_id();
    message_->arrival = beginning.arrival;
    message_->envelope = std::move(beginning.envelope);
    message_->about = beginning.about;
    events_.emplace_back(Begun{message_->id});
}

void Reception::add(std::string bytes) {
    if (state_ != State::receiving) return;
    auto& body = message_->body;
    if (body.empty()) {
        body = std::move(bytes);
    } else {
        body += bytes;
    }
    if (has_pieces_ || body.size() > limits::body_inline_bytes_max) append(std::exchange(body, {}));
}

// In pieces that the store takes; the last one's answer is that of all.
void Reception::append(std::string bytes) {
    has_pieces_ = true;
    const auto id = message_->id;
    std::string_view rest = bytes;
    while (rest.size() > limits::body_chunk_bytes_max) {
        services_.store.append_body(id, std::string(rest.substr(0, limits::body_chunk_bytes_max)),
                                    nullptr);
        rest.remove_prefix(limits::body_chunk_bytes_max);
    }
    if (rest.size() != bytes.size()) bytes.erase(0, bytes.size() - rest.size());
    services_.store.append_body(id, std::move(bytes),
                                answers_.guard([this, id](const queue::StoreResult<void>& result) {
                                    on_piece_written(id, result);
                                }));
}

void Reception::on_piece_written(queue::MessageId id, const queue::StoreResult<void>& result) {
    if (state_ != State::receiving || message_->id != id) return;
    if (result) {
        events_.emplace_back(PieceWritten{});
    } else {
        drop_message();
        events_.emplace_back(Refused{result.error()});
    }
    on_event_();
}

void Reception::end(Instant now, Ending ending) {
    if (state_ != State::receiving) return;
    message_->facts = ending.facts;
    message_->message_id = std::move(ending.message_id);
    message_->added_header = std::move(ending.added_header);
    MTA_ASSERT(has_pieces_ || message_->is_body_inline());
    state_ = State::storing;
    const std::shared_ptr<const queue::Message> message = std::exchange(message_, nullptr);
    const auto id = message->id;
    services_.store.enqueue(
        message, [&services = services_, id, now,
                  done = answers_.guard([this, id](const queue::StoreResult<void>& result) {
                      on_durable(id, result);
                  })](const queue::StoreResult<void>& result) mutable {
            if (!result && services.on_lost_message) services.on_lost_message(id);
            if (result && services.on_stored) services.on_stored(now);
            done(result);
        });
    if (services_.on_message) services_.on_message(message, ending.source);
}

void Reception::on_durable(queue::MessageId id, const queue::StoreResult<void>& result) {
    MTA_ASSERT(state_ == State::storing);
    state_ = State::idle;
    if (result) {
        events_.emplace_back(Stored{id});
    } else {
        events_.emplace_back(Lost{id, result.error()});
    }
    on_event_();
}

void Reception::abort() {
    if (state_ == State::receiving) drop_message();
}

void Reception::drop_message() {
    if (has_pieces_) services_.store.discard_body(message_->id);
    message_.reset();
    state_ = State::idle;
}

}  // namespace mta::intake
