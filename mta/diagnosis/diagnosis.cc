#include "mta/diagnosis/diagnosis.h"

#include <cstdint>
#include <utility>

#include "mta/diagnosis/reply_texts.h"
#include "mta/diagnosis/retry_hint.h"

namespace mta::diagnosis {
namespace {

struct StatusCause {
    std::uint16_t subject;
    std::uint16_t detail;
    Cause cause;
};
// RFC 3463, 3886, 4468, 4954, 5248, 7372, 7505, 8460 and the IANA registry of enhanced codes. For a
// code that is missing here (x.0.0 and all details 0 but 7.0) the words decide.
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

// The surest words first.
constexpr std::pair<Topic, Cause> topic_causes[] = {
    {Topic::mailbox_full, Cause::mailbox_full},         {Topic::no_mailbox, Cause::no_mailbox},
    {Topic::mailbox_disabled, Cause::mailbox_disabled}, {Topic::too_big, Cause::too_big},
    {Topic::our_reputation, Cause::our_reputation},     {Topic::spam, Cause::spam},
};

Cause cause_of_status(EnhancedStatus status) {
    for (const auto& row : status_causes)
        if (row.subject == status.subject && row.detail == status.detail) return row.cause;
    return Cause::unknown;
}

Cause cause_of_words(const Topics& topics) {
    for (const auto& [topic, cause] : topic_causes)
        if (topics.has(topic)) return cause;
    return Cause::unknown;
}

Cause cause_of_scope(const DeliveryError& error) {
    switch (error.status.subject) {
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

// `topics`: empty if the words are ours.
Cause cause_of(const DeliveryError& error, const Topics& topics) {
    const auto cause = cause_of_status(error.status);
    // Many servers answer 7.1 to every refusal by policy, and 2.1 for an unknown mailbox: their
    // words are better.
    const bool is_vague =
        cause == Cause::unknown || cause == Cause::mailbox_disabled || cause == Cause::policy;
    if (is_vague) {
        if (const auto by_words = cause_of_words(topics); by_words != Cause::unknown)
            return by_words;
    }
    return cause != Cause::unknown ? cause : cause_of_scope(error);
}

// RFC 7372's and Microsoft's codes for "your address": no reverse name, banned.
bool is_code_for_address(EnhancedStatus status) {
    const auto detail = status.detail;
    return status.subject == 7 && (detail == 25 || (detail >= 606 && detail <= 649));
}

bool is_code_for_reverse_name(EnhancedStatus status) {
    return status.subject == 7 && status.detail == 25;  // RFC 7372
}

// Our own errors: the reply code is 0.
bool is_code_for_missing_keyword(EnhancedStatus status) {
    const auto detail = status.detail;
    return status.subject == 6 && (detail == 1 || detail == 3 || detail == 7);
}

}  // namespace

Diagnosis diagnose(const DeliveryError& error) {
    const auto code = error.reply_code;
    if (code == 0) {
        return {.cause = cause_of(error, {}),
                .is_missing_keyword = is_code_for_missing_keyword(error.status)};
    }
    const auto topics = topics_of(error.text);
    const bool is_refusal = code >= 400;
    const bool is_about_count = code == 452 || code == 552;
    return {
        .cause = cause_of(error, topics),
        .is_too_many_connections =
            error.scope == Scope::host && topics.has(Topic::too_many_connections),
        .is_about_our_address =
            is_refusal && (is_code_for_address(error.status) || topics.has(Topic::our_address)),
        .wants_reverse_name = is_refusal && (is_code_for_reverse_name(error.status) ||
                                             topics.has(Topic::reverse_name)),
        .is_too_many_recipients = is_about_count && (error.status == EnhancedStatus{4, 5, 3} ||
                                                     topics.has(Topic::too_many_recipients)),
        .is_greylisting = code / 100 == 4 && topics.has(Topic::greylisting),
    };
}

std::optional<Millis> retry_hint_of(const DeliveryError& error) {
    if (error.reply_code / 100 != 4) return std::nullopt;
    return parse_retry_hint(error.text);
}

}  // namespace mta::diagnosis
