#include "mta/smtp/syntax/command.h"

#include <array>
#include <utility>

namespace mta::smtp {

std::string_view to_string(Verb verb) {
    constexpr std::array<std::string_view, 16> names = {
        "EHLO", "HELO", "MAIL", "RCPT", "DATA", "BDAT",     "RSET", "NOOP",
        "VRFY", "EXPN", "HELP", "QUIT", "ETRN", "STARTTLS", "AUTH", "unknown"};
    return names.at(std::to_underlying(verb));
}

bool ends_group(Verb verb) {
    switch (verb) {
        case Verb::ehlo:
        case Verb::helo:
        case Verb::data:
        case Verb::vrfy:
        case Verb::expn:
        case Verb::quit:
        case Verb::noop:
        case Verb::etrn:
        case Verb::starttls:
        case Verb::auth: return true;
        case Verb::mail:
        case Verb::rcpt:
        case Verb::bdat:
        case Verb::rset:
        case Verb::help:
        case Verb::unknown: return false;
    }
    std::unreachable();
}

}  // namespace mta::smtp
