#include "mta/diagnosis/reply_policy.h"

#include <cstddef>
#include <string>
#include <utility>

namespace mta::smtp {
namespace {

Scope scope_of_stage(Stage stage) {
    switch (stage) {
        case Stage::greeting:
        case Stage::ehlo:
        case Stage::rset: return Scope::host;
        case Stage::rcpt: return Scope::recipient;
        case Stage::mail:
        case Stage::data:
        case Stage::body: return Scope::message;
    }
    return Scope::host;
}

// What a code means when the server gives no enhanced code; subject and detail only. A code that
// servers use for many things (450, 550, 554) stays 0.0: a wrong explanation is worse than none.
EnhancedStatus usual_status(std::uint16_t code) {
    switch (code) {
        case 421: return {4, 3, 2};   // not accepting network messages
        case 452: return {4, 3, 1};   // mail system full
        case 500: return {5, 5, 2};   // syntax error
        case 501: return {5, 5, 4};   // invalid arguments
        case 502:                     // invalid command
        case 503: return {5, 5, 1};   // invalid command (out of order)
        case 504:                     // invalid arguments
        case 555: return {5, 5, 4};   // RFC 5321 section 4.1.1.11
        case 521: return {5, 3, 2};   // RFC 7504
        case 530: return {5, 7, 0};   // RFC 4954
        case 535: return {5, 7, 8};   // RFC 4954
        case 551: return {5, 1, 6};   // mailbox has moved
        case 553: return {5, 1, 3};   // bad mailbox syntax
        case 556: return {5, 1, 10};  // RFC 7505
        default: return {static_cast<std::uint16_t>(code / 100), 0, 0};
    }
}

std::uint16_t class_of(Stage stage, std::uint16_t code) {
    if (scope_of_stage(stage) == Scope::host) return 4;
    if (stage == Stage::rcpt && code == 552) return 4;
    return code / 100 == 5 ? 5 : 4;
}

// Of an error there are as many copies as recipients.
std::string limited_text_of(const Reply& reply) {
    std::string text = text_of(reply);
    if (text.size() > error_text_bytes_max) text.resize(error_text_bytes_max);
    return text;
}

DeliveryError nonsense(Stage stage, std::string text) {
    return {.status = {4, 5, 0}, .scope = scope_of_stage(stage), .text = std::move(text)};
}

}  // namespace

std::string_view to_string(Stage stage) {
    switch (stage) {
        case Stage::greeting: return "the greeting";
        case Stage::ehlo: return "EHLO";
        case Stage::rset: return "RSET";
        case Stage::mail: return "MAIL";
        case Stage::rcpt: return "RCPT";
        case Stage::data: return "DATA";
        case Stage::body: return "the message";
    }
    return "the session";
}

DeliveryError error_from_reply(Stage stage, const Reply& reply) {
    if (reply.first_digit() != 4 && reply.first_digit() != 5) {
        return error_from_unexpected(stage, reply);
    }
    auto status = usual_status(reply.code);
    if (!reply.lines.empty()) {
        std::string_view first_line = reply.lines.front();
        status = take_enhanced_status(first_line).value_or(status);
    }
    status.klass = class_of(stage, reply.code);
    return {.status = status,
            .scope = scope_of_stage(stage),
            .reply_code = reply.code,
            .text = limited_text_of(reply)};
}

DeliveryError error_from_loss(Stage stage, std::string_view reason) {
    std::string text = "the server closed the connection during ";
    if (!reason.empty()) text = "the connection to the server was lost during ";
    text += to_string(stage);
    if (!reason.empty()) text += ": " + std::string(reason);
    return {.status = {4, 4, 2}, .scope = scope_of_stage(stage), .text = std::move(text)};
}

DeliveryError error_from_timeout(Stage stage) {
    return {.status = {4, 4, 2},
            .scope = scope_of_stage(stage),
            .text = "the server took too long to answer " + std::string(to_string(stage))};
}

DeliveryError error_from_nonsense(Stage stage, ReplyError error) {
    return nonsense(stage, "the server does not speak SMTP: to " + std::string(to_string(stage)) +
                               " it sent " + std::string(describe(error)));
}

DeliveryError error_from_unexpected(Stage stage, const Reply& reply) {
    return nonsense(stage, "the server is out of step: during " + std::string(to_string(stage)) +
                               " it said " + std::to_string(reply.code) + " " +
                               limited_text_of(reply));
}

}  // namespace mta::smtp
