#include "mta/outbound/attempt/connection.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"

namespace mta::outbound {
namespace {

std::string describe(const Connection::Target& target) {
    const auto port = ":" + std::to_string(target.endpoint.port);
    const auto literal = "[" + target.endpoint.address.to_string() + "]";
    return (target.host.empty() ? literal : target.host + " " + literal) + port;
}

smtp::ClientOptions options_for(const conf::Settings& settings, const Connection::Target& target) {
    const auto& delivery = settings.delivery;
    smtp::ClientOptions options;
    options.ehlo_name = target.ehlo_name.empty() ? settings.hostname : target.ehlo_name;
    options.remote = describe(target);
    options.timeouts.greeting = delivery.greeting_timeout;
    if (target.is_unwell)
        options.timeouts.greeting =
            std::min(delivery.greeting_timeout, Connection::unwell_patience);
    options.timeouts.command = delivery.command_timeout;
    options.timeouts.data_command = delivery.data_command_timeout;
    options.timeouts.data_block = delivery.data_block_timeout;
    options.timeouts.final_dot = delivery.final_dot_timeout;
    options.without = target.without;
    return options;
}

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

Connection::Connection(Context& context, Parts parts, Target target, Handlers handlers)
    : context_(context),
      parts_(parts),
      target_(std::move(target)),
      remote_(describe(target_)),
      handlers_(std::move(handlers)),
      session_(options_for(context.settings(), target_)),
      connect_deadline_(context_.now() + context_.settings().delivery.connect_timeout),
      begun_(context_.now()) {
    ++parts_.totals.connects_total;
    if (!target_.watchers.empty()) {
        tap_ = std::make_unique<TraceTap>(parts_.tracing.next_connection(), remote_);
        tap_->set_watchers(std::move(target_.watchers));
        tap_->set_message(target_.message_id);
        trace("connecting");
    }
    connecting_ = parts_.connector.connect(
        target_.endpoint, target_.source_address,
        [this](std::expected<std::unique_ptr<io::ByteStream>, io::ConnectError> stream) {
            on_connected(std::move(stream));
        });
}

Connection::~Connection() { abort(); }

void Connection::on_connected(
    std::expected<std::unique_ptr<io::ByteStream>, io::ConnectError> stream) {
    connecting_.reset();
    if (!stream) {
        has_unusable_source_ = stream.error().is_of_source;
        end(DeliveryError{.status = {4, 4, 1},
                          .scope = Scope::host,
                          .text = "cannot connect: " + stream.error().text,
                          .remote = remote_});
        return;
    }
    stream_ = std::move(*stream);
    parts_.latencies.connect.add(context_.now() - begun_);
    begun_ = context_.now();
    trace("connected");
    stream_->start({.on_read =
                        [this](std::string_view bytes) {
                            if (tap_) tap_->received(context_.now(), bytes);
                            session_.on_bytes(context_.now(), bytes, stream_->backlog_bytes() == 0);
                            pump();
                        },
                    .on_drained = [this] { pump(); },
                    .on_closed =
                        [this](std::string_view reason) {
                            trace(reason.empty() ? "the other side closed" : reason);
                            session_.on_closed(context_.now(), reason);
                            pump();
                        }});
    session_.on_connected(context_.now());
    pump();
}

bool Connection::can_start() const {
    return !has_ended_ && stream_ != nullptr && session_.can_start();
}

void Connection::start(std::shared_ptr<const queue::Message> message,
                       const std::vector<std::uint32_t>& recipients) {
    MTA_ASSERT(can_start());
    if (tap_ || parts_.tracing.is_watched()) retap(*message, recipients);
    Body body{.message = std::move(message), .begun = context_.now()};
    auto transaction = transaction_for(*body.message, recipients);
    if (body.message->is_body_inline() && !transaction.body) {
        body.content = std::make_unique<const std::string>(body.message->inline_content());
        transaction.body = *body.content;
    }
    body.is_complete = transaction.body.has_value();
    body.number = session_.start(context_.now(), std::move(transaction));
    bodies_.push_back(std::move(body));
    ++started_;
    ++parts_.totals.transactions_total;
    write_output();
    handlers_.on_deadline_change();
}

bool Connection::is_past_final_dot() const { return !has_ended_ && session_.is_body_out(); }

void Connection::quit() {
    MTA_ASSERT(bodies_.empty());
    if (has_ended_) return;
    if (stream_ == nullptr) {
        end(std::nullopt);
        return;
    }
    session_.quit(context_.now());
    write_output();
    handlers_.on_deadline_change();
}

void Connection::stop_connecting() {
    if (!connecting_) return;
    parts_.connector.cancel(*connecting_);
    connecting_.reset();
}

void Connection::cut() {
    if (has_ended_ || stream_ == nullptr) return abort();
    session_.on_closed(context_.now(), "this relay was stopped");
    pump();
}

void Connection::abort() {
    has_ended_ = true;
    stop_connecting();
    if (stream_) stream_->abort();
    bodies_.clear();
}

std::optional<Instant> Connection::deadline() const {
    if (has_ended_) return std::nullopt;
    if (stream_ == nullptr) return connect_deadline_;
    return session_.deadline();
}

std::optional<Instant> Connection::silent_since() const {
    if (has_ended_ || bodies_.empty() || !session_.deadline()) return std::nullopt;
    return session_.waits_since();
}

void Connection::on_deadline() {
    if (has_ended_) return;
    if (stream_ != nullptr) {
        session_.on_deadline(context_.now());
        pump();
        return;
    }
    stop_connecting();
    end(DeliveryError{.status = {4, 4, 1},
                      .scope = Scope::host,
                      .text = "cannot connect: no answer in " +
                              std::to_string(context_.settings().delivery.connect_timeout.count()) +
                              " ms",
                      .remote = remote_});
}

void Connection::write_output() {
    auto output = session_.take_output();
    if (output.empty()) return;
    if (tap_) tap_->sent(context_.now(), output);
    stream_->write(std::move(output));
}

void Connection::trace(std::string_view text, TraceLine::Kind kind) {
    if (tap_) tap_->note(context_.now(), text, kind);
}

// The watchers of this transaction; with another one under way, the watchers of that one, too.
void Connection::retap(const queue::Message& message,
                       const std::vector<std::uint32_t>& recipients) {
    auto watchers = parts_.tracing.match(message, recipients, context_.now());
    const bool is_only_one = bodies_.empty();
    if (watchers.empty()) {
        if (is_only_one) tap_.reset();
        return;
    }
    if (!tap_) tap_ = std::make_unique<TraceTap>(parts_.tracing.next_connection(), remote_);
    if (is_only_one) {
        tap_->set_watchers(std::move(watchers));
    } else {
        tap_->add_watchers(watchers);
    }
    tap_->set_message(message.id);
}

// Handlers may start transactions, which brings more to hand over: until there is no more.
void Connection::pump() {
    if (is_pumping_ || has_ended_ || stream_ == nullptr) return;
    is_pumping_ = true;
    std::vector<smtp::ClientSession::Event> events;
    bool is_more = true;
    while (is_more && !has_ended_) {
        events.clear();
        write_output();
        feed_body();
        while (auto event = session_.poll_event()) events.push_back(std::move(*event));
        handle(events);
        if (!was_body_out_ && is_past_final_dot()) {
            was_body_out_ = true;
            handlers_.on_body_out();
        }
        const auto before = started_;
        if (!bodies_.empty() && can_start()) handlers_.on_room();
        is_more = !events.empty() || started_ != before;
    }
    is_pumping_ = false;
    handlers_.on_deadline_change();
}

void Connection::handle(std::vector<smtp::ClientSession::Event>& events) {
    using Session = smtp::ClientSession;
    for (auto& event : events) {
        if (has_ended_) return;
        if (std::holds_alternative<Session::Ready>(event)) {
            if (started_ == 0) parts_.latencies.hello.add(context_.now() - begun_);
            handlers_.on_ready();
        } else if (auto* transaction = std::get_if<Session::TransactionEnded>(&event)) {
            const auto ended = std::ranges::find(bodies_, transaction->number, &Body::number);
            trace("end of the attempt", TraceLine::Kind::end);
            if (ended != bodies_.end()) {
                if (!transaction->never_began)
                    parts_.latencies.transaction.add(context_.now() - ended->begun);
                bodies_.erase(ended);
            }
            handlers_.on_transaction_end({.outcome = std::move(*transaction)});
        } else {
            auto& ended = std::get<Session::SessionEnded>(event);
            using Reason = Session::EndReason;
            // A host that ends the session right behind its EHLO takes no mail.
            const bool is_useless = started_ == 0 && ended.reason != Reason::quit;
            if (is_useless) ended.error.scope = Scope::host;
            if (is_useless && ended.error.is_permanent()) ended.error.status.klass = 4;
            const bool is_failure = is_useless || ended.reason == Reason::failed;
            end(is_failure ? std::optional(std::move(ended.error)) : std::nullopt);
        }
    }
}

void Connection::end(const std::optional<DeliveryError>& error) {
    if (std::exchange(has_ended_, true)) return;
    // An attempt that never came to its message ends here.
    const auto kind = error && started_ == 0 ? TraceLine::Kind::end : TraceLine::Kind::note;
    trace(error ? std::string_view(error->text) : "closed", kind);
    if (stream_) {
        write_output();
        stream_->finish();
    }
    bodies_.clear();
    handlers_.on_end(error);
}

void Connection::feed_body() {
    const auto number = session_.wants_body();
    if (number == 0 || stream_->backlog_bytes() > limits::stream_backlog_bytes_max) return;
    const auto body = std::ranges::find(bodies_, number, &Body::number);
    MTA_ASSERT(body != bodies_.end());
    if (body->is_reading || body->is_complete) return;
    body->is_reading = true;
    parts_.store.read_body(body->message->id, body->next_byte,
                           static_cast<std::uint32_t>(limits::body_chunk_bytes_max),
                           reads_.guard([this, number](queue::StoreResult<std::string> bytes) {
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
    session_.body(context_.now(), number, *bytes, body->is_complete);
    pump();
}

// The host has half a message and there is no more: the only way out is to hang up. Nothing follows
// behind a body that is still being read.
void Connection::break_off(smtp::TransactionNumber number, queue::StoreError error) {
    MTA_ASSERT(bodies_.size() == 1);
    stream_->abort();
    has_ended_ = true;
    bodies_.clear();
    handlers_.on_transaction_end({.outcome = {.number = number}, .unreadable = std::move(error)});
    handlers_.on_end(std::nullopt);
}

}  // namespace mta::outbound
