#include "mta/report/explanation.h"

#include <array>

#include "mta/diagnosis/diagnosis.h"

namespace mta::report {
namespace {

using diagnosis::Cause;

struct Words {
    Cause cause;
    std::string_view what;  // "%" stands for the recipient's domain
    std::string_view advice;
};

constexpr std::string_view ask_administrator = "Please pass this message on to your administrator.";
constexpr std::string_view try_later =
    "Please try again later, or reach the recipient in another "
    "way.";

constexpr std::array<Words, diagnosis::causes> all_words = {{
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

std::string with_domain(std::string_view words, std::string_view domain) {
    std::string out(words);
    const auto place = out.find('%');
    if (place == out.npos) return out;
    return out.replace(place, 1, domain.empty() ? "the recipient" : domain);
}

}  // namespace

Explanation explain(const DeliveryError& error, std::string_view domain) {
    const auto cause = diagnosis::diagnose(error).cause;
    for (const auto& words : all_words) {
        if (words.cause == cause) {
            return {with_domain(words.what, domain), with_domain(words.advice, domain)};
        }
    }
    return {};
}

}  // namespace mta::report
