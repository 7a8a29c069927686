#pragma once
#include <cstdint>
#include <optional>

#include "mta/base/outcome.h"
#include "mta/base/time.h"

namespace mta::diagnosis {

// Why a delivery failed, in the categories of the person who wrote the message: exactly one.
enum class Cause : std::uint8_t {
    unknown,
    no_mailbox,
    no_domain,
    no_mail_domain,
    bad_address,
    moved,
    sender_refused,
    mailbox_disabled,
    mailbox_full,
    too_big,
    mailing_list,
    system_full,
    system_trouble,
    unreachable,
    name_service,
    loop,
    too_late,
    protocol,
    too_many_recipients,
    content,
    needs_utf8,
    policy,
    spam,
    our_reputation,
    our_login,
    encryption,
};
inline constexpr std::size_t causes = 26;

// What a failure means beyond its status and scope.
struct Diagnosis {
    Cause cause = Cause::unknown;

    // What delivery acts on. Several may be true.

    // The host has as many connections of ours, or in all, as it wants: it works, and waits for
    // fewer. Only before the first message; later the same words are about something else.
    bool is_too_many_connections = false;
    // The host refuses the address that we came from (block list, reputation, no reverse name), not
    // this message, its sender or its recipient. From another address it may be taken.
    bool is_about_our_address = false;
    // The host wants a name in the reverse DNS (PTR) for the address that we came from.
    bool wants_reverse_name = false;
    // The host has enough recipients in this transaction (RFC 5321 section 4.5.3.1.10).
    bool is_too_many_recipients = false;
    // The host wants unknown senders to come again after some minutes.
    bool is_greylisting = false;
    // The host was not asked: it does not offer a keyword that the message or an address needs.
    bool is_missing_keyword = false;

    bool operator==(const Diagnosis&) const = default;
};

// What a failure means: the one place where it is decided, by the tables in diagnosis.cc
// (enhanced codes) and reply_texts.cc (words). It depends on status, scope, reply code and text
// only, so an error that comes back from the spool has the same meaning as before.
[[nodiscard]] Diagnosis diagnose(const DeliveryError& error);

// The wait that a 4xx reply asks for (parse_retry_hint()). Our own words are no hint.
[[nodiscard]] std::optional<Millis> retry_hint_of(const DeliveryError& error);

}  // namespace mta::diagnosis
