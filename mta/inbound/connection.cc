#include "mta/inbound/connection.h"

#include <utility>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "mta/inbound/etrn_reply.h"
#include "mta/inbound/store_reply.h"

namespace mta::inbound {
namespace {

std::string_view words_of(smtp::server_event::EndReason reason) {
    using enum smtp::server_event::EndReason;
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
      session_(config_->options, {.remote = remote_, .rights = rights()}),
      reception_(services.intake, [this] { pump(); }),
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

// Called after anything that may have produced events: handles all of them, writes the output.
void Connection::pump() {
    if (has_ended_ || is_pumping_) return;
    is_pumping_ = true;
    do {
        while (take_event()) {
        }
        if (incoming_) stream_body();
        // Taking the body lets held input move on, so there may be new events.
    } while (!has_ended_ && take_event());
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

bool Connection::take_event() {
    if (auto event = session_.poll_event()) {
        std::visit([this](auto& what) { handle(what); }, *event);
        return true;
    }
    if (auto event = reception_.poll_event()) {
        std::visit([this](auto& what) { handle(what); }, *event);
        return true;
    }
    return false;
}

// ---- Decisions ----

// The rights as they are now; the policy is asked anew at each decision.
smtp::ClientRights Connection::rights() const {
    auto rights = config_->policy.rights_of(identity());
    if (!services_.on_wake) rights.may_wake = false;
    return rights;
}

void Connection::handle(smtp::server_event::MailAsked& /*asked*/) { reception_.check(); }

void Connection::handle(intake::Reception::Checked& checked) {
    if (!checked.refusal) return session_.decide(now(), rights());
    refusal_cause_ = checked.refusal->text;
    session_.decide(now(), std::unexpected(reply_to(*checked.refusal)));
}

void Connection::handle(smtp::server_event::RecipientAsked& asked) {
    if (auto refusal = config_->policy.refusal_of(identity(), asked.recipient)) {
        return session_.decide(now(), std::unexpected(std::move(*refusal)));
    }
    session_.decide(now(), rights());
}

void Connection::handle(smtp::server_event::EtrnAsked& asked) {
    const auto reply = reply_to_etrn(asked.arguments);
    if (reply.code < 400) {
        services_.events.send(now(),
                              events::MailCalledFor{ref(), asked.arguments.node, for_log(reply)});
    }
    session_.decide(now(), std::unexpected(reply));
}

smtp::ServerReply Connection::reply_to_etrn(const smtp::EtrnArguments& arguments) {
    using Kind = smtp::EtrnArguments::Kind;
    if (!rights().may_wake) return smtp::etrn_not_available();
    if (arguments.kind == Kind::queue) return no_such_queue(arguments);
    return reply_to(arguments, services_.on_wake(arguments.domain, arguments.kind == Kind::tree));
}

// ---- A message ----

void Connection::handle(smtp::server_event::MessageBegins& begins) {
    incoming_ = Incoming{.reverse_path = begins.envelope.reverse_path,
                         .helo_name = std::move(begins.helo_name)};
    reception_.begin({.arrival = now(), .envelope = std::move(begins.envelope)});
}

void Connection::handle(intake::Reception::Begun& begun) {
    if (!incoming_) return;
    incoming_->id = begun.id;
    session_.begin(now(), queue::format_id(begun.id));
}

void Connection::handle(intake::Reception::Refused& refused) {
    if (!incoming_) return;
    if (incoming_->id == 0) {
        services_.events.send(
            now(), events::NotAccepted{ref(), incoming_->reverse_path, refused.error.text});
    }
    incoming_.reset();
    session_.refuse(now(), reply_to(refused.error));
}

// A body that is too large to be inline goes to the store piece by piece, one at a time.
void Connection::stream_body() {
    while (!incoming_->is_piece_pending && session_.body_bytes() > limits::body_inline_bytes_max) {
        incoming_->is_piece_pending = true;
        reception_.add(session_.take_body(now()));
    }
}

void Connection::handle(intake::Reception::PieceWritten& /*written*/) {
    if (incoming_) incoming_->is_piece_pending = false;
}

void Connection::handle(smtp::server_event::MessageEnds& ends) {
    MTA_ASSERT(incoming_);
    if (session_.body_bytes() > 0) reception_.add(session_.take_body(now()));
    const auto ended = std::move(*incoming_);
    incoming_.reset();
    reception_.end(now(), {.facts = ends.facts,
                           .message_id = std::move(ends.message_id),
                           .added_header = {},
                           .source = ended.helo_name + " [" + remote_.address.to_string() + "]"});
}

void Connection::handle(intake::Reception::Stored& /*stored*/) { session_.accepted(now()); }

void Connection::handle(intake::Reception::Lost& lost) {
    services_.events.send(now(), events::NotStored{ref(), lost.id, lost.error.text});
    session_.refuse(now(), reply_to(lost.error));
}

void Connection::handle(smtp::server_event::MessageAborted& aborted) {
    if (!incoming_) return;
    services_.events.send(now(), events::Aborted{ref(), incoming_->id, incoming_->reverse_path,
                                                 std::move(aborted.reason)});
    reception_.abort();
    incoming_.reset();
}

void Connection::handle(smtp::server_event::Refused& refused) {
    if (services_.statistics != nullptr) services_.statistics->count(refusal_of(refused.reply));
    if (refused.is_repetition) return;
    services_.events.send(
        now(), events::CommandRefused{ref(), std::move(refused.command), for_log(refused.reply),
                                      std::exchange(refusal_cause_, {})});
}

void Connection::handle(smtp::server_event::SessionEnded& ended) {
    using enum smtp::server_event::EndReason;
    has_ended_ = true;
    const bool is_ordinary = ended.reason == quit || ended.reason == lost;
    services_.events.send(now(), events::SessionEnded{ref(), std::string(words_of(ended.reason)),
                                                      std::move(ended.text), is_ordinary});
}

// The timer is not moved with each byte: it fires at the earliest deadline that was ever set, and
// the session checks whether it still holds.
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

// The owner is called at the end of the turn: the stream, the timer or the store may be on the
// stack.
void Connection::end() {
    timer_.clear();
    stream_->finish();
    services_.loop.at_turn_end([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self && self->on_ended_) std::exchange(self->on_ended_, {})();
    });
}

}  // namespace mta::inbound
