#include "mta/smtp/server/incoming_envelope.h"

#include <utility>

#include "mta/base/limits.h"
#include "mta/base/mail_address.h"

namespace mta::smtp {

IncomingEnvelope::IncomingEnvelope(const MailArguments& arguments, const Requests& requests)
    : envelope_{.reverse_path = arguments.reverse_path.text(),
                .recipients = {},
                .body_type = arguments.body_type,
                .smtputf8 = arguments.smtputf8,
                .ret = arguments.ret,
                .envid = arguments.envid,
                .requests = requests},
      declared_size_(arguments.size),
      is_priority_lowered_(arguments.priority.value_or(0) != requests.priority) {}

IncomingEnvelope::Rcpt IncomingEnvelope::add(Recipient recipient, std::uint32_t recipients_max) {
    if (recipients_.size() >= recipients_max && !recipients_.contains(recipient)) {
        const bool is_first = ++put_off_ == 1;
        if (put_off_ >= limits::excess_recipients_max) return Rcpt::put_off_too_often;
        return is_first ? Rcpt::put_off : Rcpt::put_off_again;
    }
    const bool is_repetition = !recipients_.add(std::move(recipient)).is_new;
    return is_repetition && ++repeated_ >= limits::excess_recipients_max ? Rcpt::repeated_too_often
                                                                         : Rcpt::taken;
}

std::optional<ServerReply> IncomingEnvelope::refusal_to_begin() const {
    if (!recipients_.empty()) return std::nullopt;
    if (has_refused_recipients_) return ServerReply{554, {5, 5, 1}, "no recipient was accepted"};
    return out_of_order("send RCPT first");
}

Envelope IncomingEnvelope::take_envelope() {
    envelope_.recipients = recipients_.take();
    // A domain is no reason for a header that needs SMTPUTF8 at every host from here on.
    if (envelope_.recipients.size() == 1)
        only_recipient_ = in_ascii_if_possible(envelope_.recipients.front().address);
    auto envelope = std::move(envelope_);
    // These are asked for afterwards, too.
    envelope_ = {};
    envelope_.smtputf8 = envelope.smtputf8;
    envelope_.requests.priority = envelope.requests.priority;
    return envelope;
}

}  // namespace mta::smtp
