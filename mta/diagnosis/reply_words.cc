#include "mta/diagnosis/reply_words.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "mta/base/domain.h"

namespace mta::smtp {
namespace {

bool has_any(std::string_view text, auto&& words) {
    return std::ranges::any_of(words, [&](std::string_view word) { return text.contains(word); });
}

// RFC 7372's and Microsoft's codes for "your address": no reverse name, banned.
bool is_code_for_address(EnhancedStatus status) {
    if (status.subject != 7) return false;
    const auto detail = status.detail;
    return detail == 25 || (detail >= 606 && detail <= 649);
}

}  // namespace

bool is_too_many_connections(const DeliveryError& error) {
    if (error.reply_code == 0 || error.scope != Scope::host) return false;
    static constexpr std::string_view words[] = {
        "too many connections",          // Postfix, Dovecot, many others
        "too many open connections",     // Sendmail
        "too many concurrent",           // Exim, Exchange Online
        "too many simultaneous",         // CommuniGate, Courier
        "too many sessions",             // MDaemon, GMX
        "too many smtp connections",     //
        "too many smtp sessions",        //
        "too many active",               //
        "maximum number of concurrent",  // Exchange
        "maximum number of connections",
        "maximum concurrent",
        "maximum connections",
        "max connections",
        "connection limit",  // "connection limit exceeded"
        "connections limit",
        "concurrent connection limit",
        "connection rate limit",  // Sendmail's ConnectionRateThrottle
        "session limit",
        "concurrency limit",
    };
    return has_any(to_lower(error.text), words);
}

bool is_about_our_address(const DeliveryError& error) {
    if (error.reply_code < 400) return false;
    if (is_code_for_address(error.status)) return true;
    const auto text = to_lower(error.text);
    static constexpr std::string_view words[] = {
        "client host rejected",       // Postfix, whatever the reason
        "client host [",              // "service unavailable; client host [192.0.2.1] blocked"
        "banned sending ip",          // Microsoft
        "your ip",                    // "your ip address is blocked", "connection from your ip"
        "client ip",                  // "domain mismatches client ip"
        "ip address blacklisted",     //
        "ip address blocked",         //
        "ip address is blacklisted",  //
        "ip address is blocked",      //
        "ip is blacklisted",          //
        "ip blacklisted",             //
        "ip name lookup failed",      // no reverse name
        "reverse dns",                //
        "ptr record",                 //
        "rdns",                       //
        "[tss0",                      // Yahoo: volume or complaints of an address
        "(rp-00",                     // Outlook.com: the reputation of an address
        "(sc-00",                     //
        "(dy-00",                     //
        "spamhaus.org/query/",        // the block lists' own pages about an address
        "spamhaus.org/sbl",           //
        "spamhaus.org/zen",           //
        "spamcop.net/bl",             //
        "barracudacentral.org/",      //
        "/rbl/?ip=",                  //
        "dnsbl",                      //
        "bl.php?",                    //
        "invalid ip for sending",     //
        "sending mta's ip",           //
        "ip reputation",              //
        "reputation of your ip",      //
        "mail server ip",             // "mail server IP [192.0.2.1] is on a block list"
    };
    return has_any(text, words);
}

bool is_about_reverse_name(const DeliveryError& error) {
    if (error.reply_code < 400) return false;
    if (error.status.subject == 7 && error.status.detail == 25) return true;  // RFC 7372
    static constexpr std::string_view words[] = {
        "reverse dns",                // "no reverse DNS for ..."
        "reverse hostname",           // Postfix: "cannot find your reverse hostname"
        "reverse lookup",             //
        "reverse name",               //
        "ptr record",                 // Gmail: "sending guidelines regarding PTR records"
        "rdns",                       //
        "ip name lookup failed",      // Sendmail
        "cannot find your hostname",  // Postfix: reject_unknown_client_hostname
    };
    return has_any(to_lower(error.text), words);
}

}  // namespace mta::smtp
