#include "mta/report/explanation.h"

#include <array>
#include <initializer_list>

#include "mta/base/domain.h"

namespace mta::report {
namespace {

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

struct Words {
    Cause cause;
    std::string_view what;  // "%" stands for the recipient's domain
    std::string_view advice;
};

constexpr std::string_view ask_administrator = "Please pass this message on to your administrator.";
constexpr std::string_view try_later =
    "Please try again later, or reach the recipient in another "
    "way.";

constexpr std::array<Words, 26> all_words = {{
    {Cause::unknown, "The mail server of % did not accept the message.",
     "What it said (below) may tell you more. If it does not help you, please pass this message on "
     "to your administrator."},
    {Cause::no_mailbox, "There is no mailbox with this address at %.",
     "Please check the spelling of the address, above all the part before the @. If it looks "
     "right, "
     "ask the recipient for the current address, for example by telephone."},
    {Cause::no_domain, "The domain % does not exist.",
     "Please check the spelling of the part behind the @, and send the message again to the right "
     "address."},
    {Cause::no_mail_domain, "The domain % takes no mail at all.",
     "Please check the spelling of the part behind the @, or ask the recipient for another "
     "address."},
    {Cause::bad_address, "The mail server of % says that this is not a proper address.",
     "Please check the address for misspellings, blanks and missing characters."},
    {Cause::moved, "The recipient has moved to another address.",
     "Please ask the recipient for the new address; the answer of the server (below) may tell it."},
    {Cause::sender_refused, "The mail server of % does not accept mail from your own address.",
     ask_administrator},
    {Cause::mailbox_disabled, "The mailbox exists, but it is switched off and takes no mail.",
     "Please reach the recipient in another way, and ask for an address that works."},
    {Cause::mailbox_full, "The recipient's mailbox is full.",
     "Please let the recipient know in another way, and send the message again when there is "
     "room."},
    {Cause::too_big, "The message is too big for the mail server of %.",
     "Please send it without large attachments, or in several smaller messages, or share the files "
     "in another way."},
    {Cause::mailing_list, "The address is a mailing list at % that could not pass the message on.",
     "Please write to the owner of the list."},
    {Cause::system_full, "The mail server of % has no room for new mail at present.", try_later},
    {Cause::system_trouble, "The mail server of % has trouble of its own and took no mail.",
     try_later},
    {Cause::unreachable, "The mail server of % could not be reached.",
     "The trouble is between the servers, not with your message. Please try again later, or reach "
     "the recipient in another way."},
    {Cause::name_service,
     "The mail server of % could not be found: the name service did not answer.",
     "Please check the spelling of the part behind the @. If it is right, try again later."},
    {Cause::loop, "The message went round in circles between mail servers and was stopped.",
     "The mail servers for % are set up wrongly. Please pass this message on to your "
     "administrator."},
    {Cause::too_late, "The message could not be delivered in the time allowed.", try_later},
    {Cause::protocol, "The mail server of % and ours did not understand each other.",
     ask_administrator},
    {Cause::too_many_recipients, "The message has too many recipients for the mail server of %.",
     "Please send it again to fewer recipients at a time."},
    {Cause::content,
     "The mail server of % cannot handle the form of the message or of an attachment.",
     "Please send the message again in a simpler form, for example as plain text or with the "
     "attachment in another format."},
    {Cause::needs_utf8,
     "The address or the message needs letters beyond A to Z that the mail server of % cannot "
     "handle.",
     "Please ask the recipient for an address in plain letters (a-z), or leave such letters out of "
     "the addresses."},
    {Cause::policy, "The mail server of % refused the message because of its rules.",
     "The answer of the server (below) may say which rule it was. If you cannot do anything about "
     "it, please pass this message on to your administrator."},
    {Cause::spam, "The mail server of % took the message for unwanted mail and refused it.",
     "If it was not, please send it again in other words, without links and attachments, or reach "
     "the recipient in another way and ask to be let in."},
    {Cause::our_reputation,
     "The mail server of % does not take mail from our mail server at present.",
     "You cannot do anything about it yourself. Please pass this message on to your "
     "administrator."},
    {Cause::our_login, "The next mail server did not accept our login.",
     "You cannot do anything about it yourself. Please pass this message on to your "
     "administrator."},
    {Cause::encryption, "A safe (encrypted) connection to the mail server of % was not possible.",
     ask_administrator},
}};

struct StatusCause {
    std::uint16_t subject;
    std::uint16_t detail;
    Cause cause;
};
// RFC 3463, 3886, 4468, 4954, 5248, 7372, 7505, 8460 and the IANA registry of enhanced codes. What
// is missing here (x.0.0 and all details 0 but 7.0) is looked for in the words.
constexpr StatusCause status_causes[] = {
    {1, 1, Cause::no_mailbox},
    {1, 2, Cause::no_domain},
    {1, 3, Cause::bad_address},
    {1, 4, Cause::bad_address},
    {1, 6, Cause::moved},
    {1, 7, Cause::sender_refused},
    {1, 8, Cause::sender_refused},
    {1, 9, Cause::sender_refused},
    {1, 10, Cause::no_mail_domain},
    {2, 1, Cause::mailbox_disabled},
    {2, 2, Cause::mailbox_full},
    {2, 3, Cause::too_big},
    {2, 4, Cause::mailing_list},
    {3, 1, Cause::system_full},
    {3, 2, Cause::system_trouble},
    {3, 3, Cause::content},
    {3, 4, Cause::too_big},
    {3, 5, Cause::system_trouble},
    {4, 1, Cause::unreachable},
    {4, 2, Cause::unreachable},
    {4, 3, Cause::name_service},
    {4, 4, Cause::unreachable},
    {4, 5, Cause::system_trouble},
    {4, 6, Cause::loop},
    {4, 7, Cause::too_late},
    {5, 3, Cause::too_many_recipients},
    {6, 1, Cause::content},
    {6, 2, Cause::content},
    {6, 3, Cause::content},
    {6, 5, Cause::content},
    {6, 6, Cause::content},
    {6, 7, Cause::needs_utf8},
    {6, 9, Cause::needs_utf8},
    {7, 0, Cause::policy},
    {7, 4, Cause::encryption},
    {7, 5, Cause::encryption},
    {7, 8, Cause::our_login},
    {7, 9, Cause::our_login},
    {7, 10, Cause::encryption},
    {7, 11, Cause::encryption},
    {7, 13, Cause::mailbox_disabled},
    {7, 17, Cause::moved},
    {7, 20, Cause::our_reputation},
    {7, 23, Cause::our_reputation},
    {7, 25, Cause::our_reputation},
    {7, 26, Cause::our_reputation},
    {7, 28, Cause::our_reputation},
    {7, 30, Cause::encryption},
};

bool has_any(std::string_view lower, std::initializer_list<std::string_view> needles) {
    for (const auto needle : needles) {
        if (lower.find(needle) != lower.npos) return true;
    }
    return false;
}

// What mail servers usually write. In the order of how sure the words are.
Cause cause_of_words(std::string_view text) {
    const auto lower = to_lower(text);
    if (has_any(lower, {"mailbox full", "mailbox is full", "over quota", "overquota",
                        "quota exceeded", "exceeded storage", "exceeds quota", "is full"})) {
        return Cause::mailbox_full;
    }
    if (has_any(lower,
                {"user unknown", "unknown user", "no such user", "no such recipient",
                 "no such mailbox", "unknown recipient", "recipient unknown", "user not found",
                 "mailbox not found", "does not exist", "doesn't exist", "invalid recipient",
                 "unknown address", "no mailbox", "unrouteable address"})) {
        return Cause::no_mailbox;
    }
    if (has_any(lower, {"mailbox disabled", "account disabled", "account is disabled", "inactive",
                        "suspended", "disabled recipient"})) {
        return Cause::mailbox_disabled;
    }
    if (has_any(lower, {"message too large", "message too big", "size exceeds", "message size",
                        "maximum size"})) {
        return Cause::too_big;
    }
    if (has_any(lower,
                {"blacklist", "block list", "blocklist", "blocked using", "dnsbl", "spamhaus",
                 "reverse dns", "ptr record", "reputation", "client host rejected"})) {
        return Cause::our_reputation;
    }
    if (has_any(lower, {"spam", "unsolicited", "bulk mail", "junk"})) return Cause::spam;
    return Cause::unknown;
}

Cause cause_of(const DeliveryError& error) {
    const auto status = error.status;
    auto cause = Cause::unknown;
    for (const auto& row : status_causes) {
        if (row.subject == status.subject && row.detail == status.detail) cause = row.cause;
    }
    // Every refusal by policy is a 7.1 to somebody: the words are better. 2.1 is used for "unknown"
    // too, and the 5.x are used for anything.
    const bool is_vague =
        cause == Cause::unknown || cause == Cause::mailbox_disabled || cause == Cause::policy;
    if (is_vague && error.reply_code != 0) {
        const auto by_words = cause_of_words(error.text);
        if (by_words != Cause::unknown) return by_words;
    }
    if (cause != Cause::unknown) return cause;
    switch (status.subject) {
        case 4: return Cause::unreachable;
        case 5: return Cause::protocol;
        case 6: return Cause::content;
        case 7: return Cause::policy;
        default: break;
    }
    if (error.reply_code != 0) return Cause::unknown;
    if (error.scope == Scope::domain) return Cause::name_service;
    return error.scope == Scope::host ? Cause::unreachable : Cause::unknown;
}

std::string with_domain(std::string_view words, std::string_view domain) {
    std::string out(words);
    const auto place = out.find('%');
    if (place == out.npos) return out;
    return out.replace(place, 1, domain.empty() ? "the recipient" : domain);
}

}  // namespace

Explanation explain(const DeliveryError& error, std::string_view domain) {
    const auto cause = cause_of(error);
    for (const auto& words : all_words) {
        if (words.cause == cause) {
            return {with_domain(words.what, domain), with_domain(words.advice, domain)};
        }
    }
    return {};
}

}  // namespace mta::report
