#include "mta/inbound/connection.h"

#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "mta/inbound/etrn_reply.h"
#include "mta/inbound/store_reply.h"

namespace mta::inbound {
namespace {

smtp::ServerSession::RecipientCheck recipient_check(std::shared_ptr<const SessionConfig> config,
                                                    const IpAddress& client) {
    const bool may_relay = config->policy.may_relay_anywhere(client);
    return [config = std::move(config), may_relay,
            client](const smtp::Address& address) -> std::optional<smtp::ServerReply> {
        if (may_relay) return std::nullopt;
        const bool is_ours = config->policy.is_relay_domain(address.canonical_domain);
        if (is_ours && !address.has_routing_local_part()) return std::nullopt;
        return smtp::ServerReply{.code = 550,
                                 .status = {5, 7, 1},
                                 .text = "Relaying to <" + address.text() +
                                         "> is not allowed for " + client.to_string()};
    };
}

smtp::ClientInfo client_info(const SessionConfig& config, const Endpoint& remote) {
    return {.remote = remote,
            .is_own = config.policy.may_relay_anywhere(remote.address),
            .may_prioritise = config.policy.may_prioritise(remote.address)};
}

std::string_view words_of(smtp::ServerSession::EndReason reason) {
    using enum smtp::ServerSession::EndReason;
    switch (reason) {
        case quit: return "quit";
        case lost: return "lost";
        case timed_out: return "timed_out";
        case too_many_errors: return "too_many_errors";
        case violation: return "violation";
        case shut_down: return "shut_down";
        case made_room: return "made_room";
    }
    return "lost";
}

// The reply on one line: "550-5.7.1 one 550 5.7.1 two".
std::string for_log(const smtp::ServerReply& reply) {
    auto text = smtp::to_string(reply);
    text.resize(text.size() - 2);
    for (auto at = text.find("\r\n"); at != text.npos; at = text.find("\r\n", at))
        text.replace(at, 2, " ");
    return text;
}

}  // namespace

Connection::Connection(const Services& services, std::shared_ptr<const SessionConfig> config,
                       std::unique_ptr<io::ByteStream> stream, std::uint64_t number,
                       OnEnded on_ended)
    : services_(services),
      config_(std::move(config)),
      stream_(std::move(stream)),
      remote_(stream_->remote()),
      number_(number),
      on_ended_(std::move(on_ended)),
      session_(
          config_->options, client_info(*config_, remote_),
          recipient_check(config_, remote_.address), [this] { return mail_refusal(); },
          etrn_for_client()),
      timer_(services.loop, [this] {
          timer_at_.reset();
          session_.on_deadline(now());
          pump();
      }) {}

void Connection::start() {
    open_stream();
    services_.events.send(now(), events::SessionBegan{ref()});
    session_.on_connected(now());
    pump();
}

void Connection::set_stressed(bool is_stressed) {
    session_.set_stressed(now(), is_stressed);
    if (!has_ended_) arm_timer();
}

void Connection::make_room() {
    session_.make_room(now());
    pump();
}

void Connection::shutdown() {
    session_.shutdown(now());
    pump();
}

void Connection::open_stream() {
    stream_->start({.on_read =
                        [this](std::string_view bytes) {
                            session_.on_bytes(now(), bytes);
                            pump();
                        },
                    .on_drained = [this] { pump(); },
                    .on_closed =
                        [this](std::string_view reason) {
                            session_.on_closed(now(), reason);
                            pump();
                        },
                    .on_input_end =
                        [this] {
                            session_.on_input_end(now());
                            pump();
                        }});
}

// After anything that may have moved the session: takes out all that it has to say.
void Connection::pump() {
    if (has_ended_ || is_pumping_) return;
    is_pumping_ = true;
    do {
        while (auto event = session_.poll_event()) {
            std::visit([this](auto& what) { handle(what); }, *event);
        }
        if (incoming_) stream_body();
        // Taking the body lets held input move on, so there may be news.
    } while (!has_ended_ && session_.has_event());
    is_pumping_ = false;

    auto output = session_.take_output();
    if (!output.empty()) stream_->write(std::move(output));
    if (has_ended_) return end();
    arm_timer();
    if (session_.is_resting()) go_on_in_next_turn();
    const bool wants =
        session_.wants_input() && stream_->backlog_bytes() < limits::stream_backlog_bytes_max;
    if (wants != is_reading_) {
        is_reading_ = wants;
        wants ? stream_->resume_reading() : stream_->pause_reading();
    }
}

void Connection::go_on_in_next_turn() {
    if (std::exchange(will_go_on_, true)) return;
    services_.loop.at_turn_end([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->will_go_on_ = false;
        self->session_.go_on(self->now());
        self->pump();
    });
}

void Connection::handle(smtp::ServerSession::MessageBegins& begins) {
    if (const auto refusal = services_.store.refusal()) {
        services_.events.send(
            now(), events::NotAccepted{ref(), begins.envelope.reverse_path, refusal->text});
        return session_.refuse(now(), reply_to(*refusal));
    }
    incoming_ = Incoming{};
    incoming_->id = services_.store.allocate_id();
    incoming_->arrival = now();
    incoming_->envelope = std::move(begins.envelope);
    incoming_->helo_name = std::move(begins.helo_name);
    session_.begin(now(), queue::format_id(incoming_->id));
}

// A body that is too large to be inline goes to the store piece by piece, one at a time.
void Connection::stream_body() {
    MTA_ASSERT(incoming_);
    while (!incoming_->is_append_pending && session_.body_bytes() > limits::body_inline_bytes_max) {
        append(session_.take_body(now()));
    }
}

void Connection::append(std::string bytes) {
    MTA_ASSERT(incoming_);
    incoming_->is_streamed = true;
    incoming_->is_append_pending = true;
    const auto id = incoming_->id;
    std::string_view rest = bytes;
    while (rest.size() > limits::body_chunk_bytes_max) {
        services_.store.append_body(id, std::string(rest.substr(0, limits::body_chunk_bytes_max)),
                                    [](auto) {});
        rest.remove_prefix(limits::body_chunk_bytes_max);
    }
    if (rest.size() != bytes.size()) bytes.erase(0, bytes.size() - rest.size());
    services_.store.append_body(
        id, std::move(bytes), [weak = weak_from_this(), id](queue::StoreResult<void> result) {
            const auto self = weak.lock();
            if (!self || !self->incoming_ || self->incoming_->id != id) return;
            self->incoming_->is_append_pending = false;
            if (!result) self->session_.refuse(self->now(), reply_to(result.error()));
            self->pump();
        });
}

void Connection::handle(smtp::ServerSession::MessageEnds& ends) {
    MTA_ASSERT(incoming_);
    auto message = std::make_shared<queue::Message>();
    message->id = incoming_->id;
    message->arrival = incoming_->arrival;
    message->envelope = std::move(incoming_->envelope);
    message->facts = ends.facts;
    message->message_id = std::move(ends.message_id);
    auto rest = session_.take_body(now());
    if (incoming_->is_streamed || rest.size() > limits::body_inline_bytes_max) {
        if (!rest.empty()) append(std::move(rest));
    } else {
        message->body = std::move(rest);
    }
    MTA_ASSERT(incoming_->is_streamed || message->is_body_inline());
    auto client = incoming_->helo_name + " [" + remote_.address.to_string() + "]";
    incoming_.reset();
    is_storing_ = true;
    const std::shared_ptr<const queue::Message> shared = std::move(message);
    services_.store.enqueue(shared,
                            [weak = weak_from_this(), services = &services_, id = shared->id,
                             begun = now()](queue::StoreResult<void> result) {
                                if (!result) services->on_lost_message(id);
                                if (result && services->statistics != nullptr)
                                    services->statistics->stored.add(services->clock.now() - begun);
                                if (const auto self = weak.lock()) self->on_stored(id, result);
                            });
    services_.events.send(now(), events::Received{shared, std::move(client)});
    services_.on_message(shared);
}

void Connection::on_stored(queue::MessageId id, const queue::StoreResult<void>& result) {
    is_storing_ = false;
    if (result) {
        session_.accepted(now());
    } else {
        services_.events.send(now(), events::NotStored{ref(), id, result.error().text});
        session_.refuse(now(), reply_to(result.error()));
    }
    pump();
}

void Connection::handle(smtp::ServerSession::MessageAborted& aborted) {
    if (!incoming_) return;
    services_.events.send(now(),
                          events::Aborted{ref(), incoming_->id, incoming_->envelope.reverse_path,
                                          std::move(aborted.reason)});
    if (incoming_->is_streamed) services_.store.discard_body(incoming_->id);
    incoming_.reset();
}

std::optional<smtp::ServerReply> Connection::mail_refusal() {
    const auto refusal = services_.store.refusal();
    if (!refusal) return std::nullopt;
    refusal_cause_ = refusal->text;
    return reply_to(*refusal);
}

smtp::ServerSession::OnEtrn Connection::etrn_for_client() {
    if (!services_.on_wake || !config_->policy.may_wake(remote_.address)) return nullptr;
    return [this](const smtp::EtrnArguments& arguments) {
        using Kind = smtp::EtrnArguments::Kind;
        const auto reply =
            arguments.kind == Kind::queue
                ? no_such_queue(arguments)
                : reply_to(arguments,
                           services_.on_wake(arguments.domain, arguments.kind == Kind::tree));
        if (reply.code < 400) {
            services_.events.send(now(),
                                  events::MailCalledFor{ref(), arguments.node, for_log(reply)});
        }
        return reply;
    };
}

void Connection::handle(smtp::ServerSession::Refused& refused) {
    if (services_.statistics != nullptr) services_.statistics->count(refusal_of(refused.reply));
    if (refused.is_repetition) return;
    services_.events.send(
        now(), events::CommandRefused{ref(), std::move(refused.command), for_log(refused.reply),
                                      std::exchange(refusal_cause_, {})});
}

void Connection::handle(smtp::ServerSession::SessionEnded& ended) {
    using enum smtp::ServerSession::EndReason;
    has_ended_ = true;
    const bool is_ordinary = ended.reason == quit || ended.reason == lost;
    services_.events.send(now(), events::SessionEnded{ref(), std::string(words_of(ended.reason)),
                                                      std::move(ended.text), is_ordinary});
}

// The timer is not moved at each byte: it fires at the earliest deadline that was ever asked for,
// and the session looks whether that still holds.
void Connection::arm_timer() {
    const auto deadline = session_.deadline();
    if (!deadline) {
        timer_.clear();
        timer_at_.reset();
        return;
    }
    if (timer_at_ && *timer_at_ <= *deadline) return;
    timer_at_ = deadline;
    timer_.set(*deadline - now());
}

// Not within a call from the stream, the timer or the store: they are still on the stack.
void Connection::end() {
    timer_.clear();
    stream_->finish();
    services_.loop.at_turn_end([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self && self->on_ended_) std::exchange(self->on_ended_, {})();
    });
}

}  // namespace mta::inbound
