#include "mta/outbound/attempt/connection.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"

namespace mta::outbound {
namespace {

smtp::Transaction transaction_for(const queue::Message& message,
                                  const std::vector<std::uint32_t>& recipients) {
    smtp::Transaction transaction;
    const auto& envelope = message.envelope;
    if (recipients.size() == envelope.recipients.size()) {
        transaction.envelope = envelope;
    } else {
        transaction.envelope.reverse_path = envelope.reverse_path;
        transaction.envelope.body_type = envelope.body_type;
        transaction.envelope.smtputf8 = envelope.smtputf8;
        transaction.envelope.ret = envelope.ret;
        transaction.envelope.envid = envelope.envid;
        transaction.envelope.requests = envelope.requests;
        transaction.envelope.recipients.reserve(recipients.size());
        for (const auto number : recipients)
            transaction.envelope.recipients.push_back(envelope.recipients[number]);
    }
    transaction.facts = message.facts;
    if (message.is_body_inline() && message.added_header.empty()) transaction.body = message.body;
    return transaction;
}

}  // namespace

Connection::Connection(const Ports& ports, Setup setup, Sink sink)
    : ports_(ports),
      sink_(std::move(sink)),
      remote_(setup.session.remote),
      connect_timeout_(setup.connect_timeout),
      session_(std::move(setup.session)),
      begun_(ports.now()) {
    if (setup.trace) {
        tap(std::move(*setup.trace));
        trace("connecting");
    }
    connecting_ = ports_.connector.connect(
        setup.endpoint, setup.source_address,
        [this](std::expected<std::unique_ptr<io::ByteStream>, io::ConnectError> stream) {
            on_connected(std::move(stream));
        });
}

Connection::~Connection() { abort(); }

void Connection::report(ConnectionEvent event) { sink_(state(), std::move(event)); }

ConnectionState Connection::state() const {
    if (has_ended_) return {.has_ended = true};
    if (stream_ == nullptr) return {.deadline = begun_ + connect_timeout_};
    const auto deadline = session_.deadline();
    const bool is_waiting = !bodies_.empty() && deadline;
    return {.can_start = session_.can_start(),
            .is_past_final_dot = session_.is_body_out(),
            .deadline = deadline,
            .silent_since = is_waiting ? std::optional(session_.waits_since()) : std::nullopt,
            .recipient_awaited = session_.recipient_awaited()};
}

// ---- The stream ----

void Connection::on_connected(
    std::expected<std::unique_ptr<io::ByteStream>, io::ConnectError> stream) {
    connecting_.reset();
    if (!stream) {
        end(DeliveryError{.status = {4, 4, 1},
                          .scope = Scope::host,
                          .text = "cannot connect: " + stream.error().text,
                          .remote = remote_},
            stream.error().is_of_source);
        return;
    }
    stream_ = std::move(*stream);
    const auto took = now() - begun_;
    begun_ = now();
    trace("connected");
    if (tap_) put_trace_on();
    stream_->start(handlers_of_stream());
    session_.on_connected(now());
    report(Connected{took});
    pump();
}

io::ByteStream::Handlers Connection::handlers_of_stream() {
    return {.on_read =
                [this](std::string_view bytes) {
                    session_.on_bytes(now(), bytes, stream_->backlog_bytes() == 0);
                    pump();
                },
            .on_drained = [this] { pump(); },
            .on_closed =
                [this](std::string_view reason) {
                    trace(reason.empty() ? "the other side closed" : reason);
                    session_.on_closed(now(), reason);
                    pump();
                }};
}

void Connection::write_output() {
    auto output = session_.take_output();
    if (!output.empty()) stream_->write(std::move(output));
}

void Connection::stop_connecting() {
    if (!connecting_) return;
    ports_.connector.cancel(*connecting_);
    connecting_.reset();
}

// ---- Commands ----

bool Connection::can_start() const {
    return !has_ended_ && stream_ != nullptr && session_.can_start();
}

void Connection::start(std::shared_ptr<const queue::Message> message,
                       const std::vector<std::uint32_t>& recipients, std::optional<Trace> trace) {
    MTA_ASSERT(can_start());
    if (trace) retap(std::move(*trace));
    Body body{.message = std::move(message), .begun = now()};
    auto transaction = transaction_for(*body.message, recipients);
    if (body.message->is_body_inline() && !transaction.body) {
        body.content = std::make_unique<const std::string>(body.message->inline_content());
        transaction.body = *body.content;
    }
    body.is_complete = transaction.body.has_value();
    body.number = session_.start(now(), std::move(transaction));
    bodies_.push_back(std::move(body));
    ++started_;
    write_output();
    report(StateChanged{});
}

void Connection::quit() {
    MTA_ASSERT(bodies_.empty());
    if (has_ended_) return;
    if (stream_ == nullptr) {
        end(std::nullopt);
        return;
    }
    session_.quit(now());
    write_output();
    report(StateChanged{});
}

void Connection::cut() {
    if (has_ended_ || stream_ == nullptr) return abort();
    session_.on_closed(now(), "this relay was stopped");
    pump();
}

void Connection::abort() {
    has_ended_ = true;
    stop_connecting();
    if (stream_) stream_->abort();
    bodies_.clear();
}

void Connection::on_deadline() {
    if (has_ended_) return;
    if (stream_ != nullptr) {
        session_.on_deadline(now());
        pump();
        return;
    }
    stop_connecting();
    end(DeliveryError{
        .status = {4, 4, 1},
        .scope = Scope::host,
        .text = "cannot connect: no answer in " + std::to_string(connect_timeout_.count()) + " ms",
        .remote = remote_});
}

// ---- Tracing ----

void Connection::trace(std::string_view text, TraceLine::Kind kind) {
    if (tap_) tap_->note(now(), text, kind);
}

void Connection::tap(Trace trace) {
    tap_ = std::make_unique<TraceTap>(trace.connection, remote_);
    tap_->set_watchers(std::move(trace.watchers));
    tap_->set_message(trace.message_id);
    if (traced_ != nullptr) traced_->set_tap(tap_.get());
}

// The traced stream takes the place of the other one; start() is to follow.
void Connection::put_trace_on() {
    auto traced = std::make_unique<TracedStream>(std::move(stream_), ports_.now);
    traced_ = traced.get();
    traced_->set_tap(tap_.get());
    stream_ = std::move(traced);
}

// For the next transaction.
void Connection::retap(Trace trace) {
    const bool is_only_one = bodies_.empty();
    if (trace.watchers.empty()) {
        if (!is_only_one || !tap_) return;
        traced_->set_tap(nullptr);
        tap_.reset();
    } else if (!tap_) {
        tap(std::move(trace));
        if (traced_ != nullptr) return;
        put_trace_on();
        stream_->start(handlers_of_stream());
    } else {
        tap_->set_message(trace.message_id);
        is_only_one ? tap_->set_watchers(std::move(trace.watchers))
                    : tap_->add_watchers(trace.watchers);
    }
}

// ---- What the session says ----

// The sink may start transactions, which brings more to report: until there is no more.
void Connection::pump() {
    if (is_pumping_ || has_ended_ || stream_ == nullptr) return;
    is_pumping_ = true;
    std::vector<smtp::ClientEvent> events;
    bool is_more = true;
    while (is_more && !has_ended_) {
        events.clear();
        write_output();
        feed_body();
        while (auto event = session_.poll_event()) events.push_back(std::move(*event));
        take(events);
        if (!was_body_out_ && !has_ended_ && session_.is_body_out()) {
            was_body_out_ = true;
            report(BodyOut{});
        }
        const auto before = started_;
        if (!bodies_.empty() && can_start()) report(ConnectionRoom{});
        is_more = !events.empty() || started_ != before;
    }
    is_pumping_ = false;
    report(StateChanged{});
}

void Connection::take(std::vector<smtp::ClientEvent>& events) {
    for (auto& event : events) {
        if (has_ended_) return;
        if (std::holds_alternative<smtp::SessionReady>(event)) {
            if (!std::exchange(was_greeted_, true))
                report(Greeted{session_.capabilities(), now() - begun_});
            report(ConnectionReady{});
        } else if (auto* const transaction = std::get_if<smtp::TransactionEnded>(&event)) {
            end_transaction(std::move(*transaction));
        } else {
            end_session(std::move(std::get<smtp::SessionEnded>(event)));
        }
    }
}

void Connection::end_transaction(smtp::TransactionEnded outcome) {
    trace("end of the attempt", TraceLine::Kind::end);
    const auto ended = std::ranges::find(bodies_, outcome.number, &Body::number);
    MTA_ASSERT(ended != bodies_.end());
    std::optional<Millis> took;
    if (!outcome.never_began) took = now() - ended->begun;
    bodies_.erase(ended);
    report(TransactionEnd{.outcome = std::move(outcome), .took = took});
}

void Connection::end_session(smtp::SessionEnded ended) {
    // A host that ends the session right behind its EHLO takes no mail.
    const bool is_useless = started_ == 0 && ended.reason != smtp::EndReason::quit;
    if (is_useless) ended.error.scope = Scope::host;
    if (is_useless && ended.error.is_permanent()) ended.error.status.klass = 4;
    const bool is_failure = is_useless || ended.reason == smtp::EndReason::failed;
    end(is_failure ? std::optional(std::move(ended.error)) : std::nullopt);
}

void Connection::end(std::optional<DeliveryError> error, bool has_unusable_source) {
    if (std::exchange(has_ended_, true)) return;
    // An attempt that never came to its message ends here.
    const auto kind = error && started_ == 0 ? TraceLine::Kind::end : TraceLine::Kind::note;
    trace(error ? std::string_view(error->text) : "closed", kind);
    if (stream_) {
        write_output();
        stream_->finish();
    }
    bodies_.clear();
    report(ConnectionEnded{std::move(error), has_unusable_source});
}

// ---- Bodies ----

void Connection::feed_body() {
    const auto number = session_.wants_body();
    if (number == 0 || stream_->backlog_bytes() > limits::stream_backlog_bytes_max) return;
    const auto body = std::ranges::find(bodies_, number, &Body::number);
    MTA_ASSERT(body != bodies_.end());
    if (body->is_reading || body->is_complete) return;
    body->is_reading = true;
    ports_.store.read_body(body->message->id, body->next_byte,
                           static_cast<std::uint32_t>(limits::body_chunk_bytes_max),
                           body_read_.guard([this, number](queue::StoreResult<std::string> bytes) {
                               on_body_read(number, std::move(bytes));
                           }));
}

void Connection::on_body_read(smtp::TransactionNumber number,
                              queue::StoreResult<std::string> bytes) {
    const auto body = std::ranges::find(bodies_, number, &Body::number);
    if (has_ended_ || body == bodies_.end()) return;
    body->is_reading = false;
    const auto size = body->message->facts.size;
    if (!bytes || (bytes->empty() && body->next_byte < size)) {
        break_off(number, bytes ? queue::StoreError{queue::StoreError::Kind::corrupt,
                                                    "it is shorter than it was"}
                                : std::move(bytes.error()));
        return;
    }
    body->next_byte += bytes->size();
    body->is_complete = body->next_byte >= size;
    session_.body(now(), number, *bytes, body->is_complete);
    pump();
}

// The host has half a message and no more can follow: the only way out is to hang up. No
// transaction follows behind a body that is still being read.
void Connection::break_off(smtp::TransactionNumber number, queue::StoreError error) {
    MTA_ASSERT(bodies_.size() == 1);
    stream_->abort();
    has_ended_ = true;
    bodies_.clear();
    report(TransactionEnd{.outcome = {.number = number}, .unreadable = std::move(error)});
    report(ConnectionEnded{});
}

}  // namespace mta::outbound
