#include "mta/api/why/domain_words.h"

#include <algorithm>
#include <span>

#include "mta/base/printable.h"

namespace mta::api {
namespace {

// The addresses and sources that are not used for a destination at present.
void add_what_is_passed_over(Lines& lines, const outbound::DestinationView& site, Instant now) {
    constexpr std::size_t shown_max = 10;
    for (const auto& address :
         std::span(site.unwell).first(std::min(site.unwell.size(), shown_max))) {
        lines.push_back("  Passed over since " + when(address.since, now) + ": " +
                        printable(address.host) + ", " + printable(address.address) + ". " +
                        words_of(address.error, printable(address.host)) + ". It is tried again " +
                        at_or_soon(address.next_try, now) + '.');
    }
    if (site.unwell.size() > shown_max) {
        lines.push_back("  So are " + std::to_string(site.unwell.size() - shown_max) +
                        " more addresses: GET /v1/destinations of the admin socket names them.");
    }
    for (const auto& suspended : site.suspended) {
        lines.push_back("  It refuses mail from our [[source]] " + printable(suspended.source) +
                        ", which is not used for it until " + when(suspended.until, now) + ". " +
                        words_of(suspended.error, printable(site.name)) + '.');
    }
}

void add_destination(Lines& lines, const outbound::DestinationView& site, Instant now) {
    if (site.opens_at) {
        lines.push_back(
            printable(site.name) +
            " gets mail at certain hours only (deliver_between of its [[route]]), which begin "
            "again " +
            at_or_soon(site.opens_at, now) + ". Until then nothing is tried.");
    }
    if (site.down_since && site.opens_at) {
        lines.push_back("  It took no mail when it was last tried, since " +
                        when(*site.down_since, now) + '.');
    } else if (site.down_since) {
        lines.push_back(printable(site.name) + " has taken no mail since " +
                        when(*site.down_since, now) + ". " +
                        (site.next_probe
                             ? "It is tried again " + at_or_soon(site.next_probe, now) + '.'
                             : "It is being tried right now.") +
                        " As soon as it answers, all mail for it goes out.");
    } else {
        lines.push_back(printable(site.name) + " is up: " + std::to_string(site.delivering) +
                        " being delivered, " + std::to_string(site.waiting) + " waiting, " +
                        std::to_string(site.connections) + " of at most " +
                        std::to_string(site.connections_limit) + " connections open.");
    }
    if (site.last_error && !site.last_error->text.empty()) {
        lines.push_back("  The last trouble: " + words_of(*site.last_error, printable(site.name)));
    }
    add_what_is_passed_over(lines, site, now);
}

}  // namespace

Lines words_about(const outbound::DomainView& view, Instant now) {
    const auto domain = printable(view.domain);
    Lines lines = {domain + ": " + plural(view.recipients, "recipient") + " waiting."};
    if (!view.destination.empty()) {
        lines.push_back((view.is_static_route
                             ? "A [[route]] of the configuration sends its mail to "
                             : "Its MX records send its mail to ") +
                        printable(view.destination) + '.');
    }
    if (view.dns_down_since) {
        lines.push_back("The DNS could not say where its mail goes since " +
                        when(*view.dns_down_since, now) + "; it is asked again " +
                        at_or_soon(view.next_look_up, now) + '.');
        if (view.dns_error) lines.push_back("  " + printable(reply_of(*view.dns_error)));
        lines.push_back("  Look whether the name servers answer: dig MX " + domain);
    }
    if (view.site) add_destination(lines, *view.site, now);
    lines.push_back("To try at once: posthouse flush " + domain +
                    "   Its messages: posthouse queue --domain " + domain);
    return lines;
}

}  // namespace mta::api
