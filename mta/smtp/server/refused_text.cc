#include "mta/smtp/server/refused_text.h"

#include <utility>

#include "mta/base/assert.h"

namespace mta::smtp {
namespace {

// "Subject: x". No command, not even a misspelt one, has a colon in its first word.
bool looks_like_field(std::string_view line) { return line.find(':') < line.find(' '); }

// Lines of text may begin with a verb, too: "Help wanted", "Mail from the web form".
bool looks_like_command(Verb verb, std::string_view line) {
    switch (verb) {
        case Verb::unknown: return false;
        case Verb::mail:
        case Verb::rcpt: return line.contains('<');
        case Verb::data:
        case Verb::help:
        case Verb::noop:
        case Verb::quit:
        case Verb::rset: return line.find_last_not_of(' ') < to_string(verb).size();
        case Verb::ehlo:
        case Verb::helo:
        case Verb::bdat:
        case Verb::vrfy:
        case Verb::expn:
        case Verb::etrn:
        case Verb::starttls:
        case Verb::auth: return true;
    }
    std::unreachable();
}

}  // namespace

RefusedText::Line RefusedText::kind_of(Verb verb, std::string_view line, bool has_sent_early) {
    const bool is_command = looks_like_command(verb, line);
    if (is_command && !has_sent_early) return Line::command;
    const bool is_text = line == "." || (has_sent_early ? !is_command : looks_like_field(line));
    return is_text ? Line::text : Line::unclear;
}

RefusedText::Skipped RefusedText::skip(std::string_view& input) {
    MTA_ASSERT(stream_.has_value());
    const bool has_ended = stream_->feed_dotted(input, scratch_);
    scratch_.clear();
    if (has_ended) return Skipped::all;
    return stream_->facts().size > limits_.message_bytes_max ? Skipped::too_much : Skipped::some;
}

}  // namespace mta::smtp
