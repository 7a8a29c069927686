#include "mta/smtp/server/server_options.h"

#include <chrono>

#include "mta/base/domain.h"
#include "mta/base/time_format.h"
#include "mta/smtp/syntax/address.h"

namespace mta::smtp {

Extensions extensions_for(const ServerOptions& options, const ClientRights& rights) {
    auto extensions = options.extensions;
    extensions.future_release = extensions.future_release && rights.is_own;
    extensions.deliver_by = extensions.deliver_by && rights.is_own;
    return extensions;
}

Recipient postmaster_of(const ServerOptions& options) {
    Recipient recipient;
    if (const auto address = parse_mailbox(options.postmaster)) {
        recipient.address = address->text();
        recipient.domain = address->canonical_domain;
    } else {
        recipient.address = "postmaster@" + options.hostname;
        recipient.domain = to_a_labels(options.hostname).value_or(to_lower(options.hostname));
    }
    return recipient;
}

std::string ehlo_text(const ServerOptions& options, const Extensions& extensions,
                      const ClientRights& rights, Instant now) {
    auto text = options.hostname + "\nPIPELINING\nSIZE " +
                std::to_string(options.message_bytes_max) + "\n8BITMIME\nENHANCEDSTATUSCODES";
    if (extensions.smtputf8) text += "\nSMTPUTF8";
    if (extensions.dsn) text += "\nDSN";
    if (extensions.chunking) text += "\nCHUNKING";
    if (extensions.mt_priority && rights.may_prioritise) text += "\nMT-PRIORITY";
    if (extensions.deliver_by) text += "\nDELIVERBY " + std::to_string(options.deliver_by_min_s);
    if (extensions.future_release) {
        const auto seconds =
            std::chrono::floor<std::chrono::seconds>(options.future_release_max).count();
        const auto latest = format_rfc3339(now + options.future_release_max).substr(0, 19) + 'Z';
        text += "\nFUTURERELEASE " + std::to_string(seconds) + ' ' + latest;
    }
    if (rights.may_wake) text += "\nETRN";
    text += "\nHELP";
    return text;
}

}  // namespace mta::smtp
