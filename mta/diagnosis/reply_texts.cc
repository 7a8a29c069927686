#include "mta/diagnosis/reply_texts.h"

#include <array>
#include <cstddef>
#include <iterator>
#include <string>

#include "mta/base/domain.h"

namespace mta::diagnosis {
namespace {

struct Row {
    Topic topic;
    std::string_view words;  // lower case; anywhere in the reply
};

// A new text that means greylisting, a full mailbox or one of the other topics is one line here.
constexpr Row rows[] = {
    {Topic::greylisting, "greylist"},
    {Topic::greylisting, "graylist"},
    {Topic::greylisting, "grey-list"},

    {Topic::too_many_connections, "too many connections"},          // Postfix, Dovecot, many others
    {Topic::too_many_connections, "too many open connections"},     // Sendmail
    {Topic::too_many_connections, "too many concurrent"},           // Exim, Exchange Online
    {Topic::too_many_connections, "too many simultaneous"},         // CommuniGate, Courier
    {Topic::too_many_connections, "too many sessions"},             // MDaemon, GMX
    {Topic::too_many_connections, "too many smtp connections"},     //
    {Topic::too_many_connections, "too many smtp sessions"},        //
    {Topic::too_many_connections, "too many active"},               //
    {Topic::too_many_connections, "maximum number of concurrent"},  // Exchange
    {Topic::too_many_connections, "maximum number of connections"},
    {Topic::too_many_connections, "maximum concurrent"},
    {Topic::too_many_connections, "maximum connections"},
    {Topic::too_many_connections, "max connections"},
    {Topic::too_many_connections, "connection limit"},  // "connection limit exceeded"
    {Topic::too_many_connections, "connections limit"},
    {Topic::too_many_connections, "concurrent connection limit"},
    {Topic::too_many_connections, "connection rate limit"},  // Sendmail's ConnectionRateThrottle
    {Topic::too_many_connections, "session limit"},
    {Topic::too_many_connections, "concurrency limit"},

    {Topic::too_many_recipients, "too many recipients"},

    {Topic::our_address, "client host rejected"},       // Postfix, whatever the reason
    {Topic::our_address, "client host ["},              // "client host [192.0.2.1] blocked"
    {Topic::our_address, "banned sending ip"},          // Microsoft
    {Topic::our_address, "your ip"},                    // "your ip address is blocked"
    {Topic::our_address, "client ip"},                  // "domain mismatches client ip"
    {Topic::our_address, "ip address blacklisted"},     //
    {Topic::our_address, "ip address blocked"},         //
    {Topic::our_address, "ip address is blacklisted"},  //
    {Topic::our_address, "ip address is blocked"},      //
    {Topic::our_address, "ip is blacklisted"},          //
    {Topic::our_address, "ip blacklisted"},             //
    {Topic::our_address, "ip name lookup failed"},      // no reverse name
    {Topic::our_address, "reverse dns"},                //
    {Topic::our_address, "ptr record"},                 //
    {Topic::our_address, "rdns"},                       //
    {Topic::our_address, "[tss0"},                      // Yahoo: volume or complaints of an address
    {Topic::our_address, "(rp-00"},                     // Outlook.com: the reputation of an address
    {Topic::our_address, "(sc-00"},                     //
    {Topic::our_address, "(dy-00"},                     //
    {Topic::our_address, "spamhaus.org/query/"},        // the block lists' pages about an address
    {Topic::our_address, "spamhaus.org/sbl"},           //
    {Topic::our_address, "spamhaus.org/zen"},           //
    {Topic::our_address, "spamcop.net/bl"},             //
    {Topic::our_address, "barracudacentral.org/"},      //
    {Topic::our_address, "/rbl/?ip="},                  //
    {Topic::our_address, "dnsbl"},                      //
    {Topic::our_address, "bl.php?"},                    //
    {Topic::our_address, "invalid ip for sending"},     //
    {Topic::our_address, "sending mta's ip"},           //
    {Topic::our_address, "ip reputation"},              //
    {Topic::our_address, "reputation of your ip"},      //
    {Topic::our_address, "mail server ip"},             // "mail server IP [192.0.2.1] is on a list"

    {Topic::reverse_name, "reverse dns"},            // "no reverse DNS for ..."
    {Topic::reverse_name, "reverse hostname"},       // Postfix: "cannot find your reverse ..."
    {Topic::reverse_name, "reverse lookup"},         //
    {Topic::reverse_name, "reverse name"},           //
    {Topic::reverse_name, "ptr record"},             // Gmail: "guidelines regarding PTR records"
    {Topic::reverse_name, "rdns"},                   //
    {Topic::reverse_name, "ip name lookup failed"},  // Sendmail
    {Topic::reverse_name, "cannot find your hostname"},  // Postfix: unknown_client_hostname

    {Topic::mailbox_full, "mailbox full"},
    {Topic::mailbox_full, "mailbox is full"},
    {Topic::mailbox_full, "over quota"},
    {Topic::mailbox_full, "overquota"},
    {Topic::mailbox_full, "quota exceeded"},
    {Topic::mailbox_full, "exceeded storage"},
    {Topic::mailbox_full, "exceeds quota"},
    {Topic::mailbox_full, "is full"},

    {Topic::no_mailbox, "user unknown"},
    {Topic::no_mailbox, "unknown user"},
    {Topic::no_mailbox, "no such user"},
    {Topic::no_mailbox, "no such recipient"},
    {Topic::no_mailbox, "no such mailbox"},
    {Topic::no_mailbox, "unknown recipient"},
    {Topic::no_mailbox, "recipient unknown"},
    {Topic::no_mailbox, "user not found"},
    {Topic::no_mailbox, "mailbox not found"},
    {Topic::no_mailbox, "does not exist"},
    {Topic::no_mailbox, "doesn't exist"},
    {Topic::no_mailbox, "invalid recipient"},
    {Topic::no_mailbox, "unknown address"},
    {Topic::no_mailbox, "no mailbox"},
    {Topic::no_mailbox, "unrouteable address"},

    {Topic::mailbox_disabled, "mailbox disabled"},
    {Topic::mailbox_disabled, "account disabled"},
    {Topic::mailbox_disabled, "account is disabled"},
    {Topic::mailbox_disabled, "inactive"},
    {Topic::mailbox_disabled, "suspended"},
    {Topic::mailbox_disabled, "disabled recipient"},

    {Topic::too_big, "message too large"},
    {Topic::too_big, "message too big"},
    {Topic::too_big, "size exceeds"},
    {Topic::too_big, "message size"},
    {Topic::too_big, "maximum size"},

    {Topic::our_reputation, "blacklist"},
    {Topic::our_reputation, "block list"},
    {Topic::our_reputation, "blocklist"},
    {Topic::our_reputation, "blocked using"},
    {Topic::our_reputation, "dnsbl"},
    {Topic::our_reputation, "spamhaus"},
    {Topic::our_reputation, "reverse dns"},
    {Topic::our_reputation, "ptr record"},
    {Topic::our_reputation, "reputation"},
    {Topic::our_reputation, "client host rejected"},

    {Topic::spam, "spam"},
    {Topic::spam, "unsolicited"},
    {Topic::spam, "bulk mail"},
    {Topic::spam, "junk"},
};

// The rows by the first byte of their words, so that a look at each byte of a reply is enough.
class RowsByFirstByte {
public:
    constexpr RowsByFirstByte() {
        for (std::size_t i = std::size(rows); i-- > 0;) {
            auto& first = first_[byte_of(rows[i].words.front())];
            next_[i] = first;
            first = static_cast<std::uint16_t>(i + 1);
        }
    }
    void find_at(std::string_view text, Topics& topics) const {
        for (std::size_t i = first_[byte_of(text.front())]; i != 0; i = next_[i - 1])
            if (text.starts_with(rows[i - 1].words)) topics.add(rows[i - 1].topic);
    }

private:
    static constexpr std::size_t byte_of(char c) { return static_cast<unsigned char>(c); }

    std::array<std::uint16_t, 256> first_{};             // a row's index plus 1; 0: none
    std::array<std::uint16_t, std::size(rows)> next_{};  // likewise
};
constexpr RowsByFirstByte rows_by_first_byte;

}  // namespace

Topics topics_of(std::string_view text) {
    Topics topics;
    const auto lower = to_lower(text);
    for (std::string_view rest = lower; !rest.empty(); rest.remove_prefix(1))
        rows_by_first_byte.find_at(rest, topics);
    return topics;
}

}  // namespace mta::diagnosis
