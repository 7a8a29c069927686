#include "mta/smtp/client/hello.h"

#include <utility>

namespace mta::smtp {

std::string Hello::take_output() { return std::exchange(output_, {}); }

std::optional<Hello::Result> Hello::on_reply(const Reply& reply) {
    if (reply.code == 421 || !output_.empty()) return std::unexpected(out_of_step(reply));
    if (reply.first_digit() == 2) {
        if (state_ == State::greeting) {
            say(options_.ehlo ? State::ehlo : State::helo);
            return std::nullopt;
        }
        auto capabilities = state_ == State::ehlo ? parse_capabilities(reply) : Capabilities{};
        capabilities.remove(options_.without);
        return capabilities;
    }
    // RFC 5321 section 3.2 names 500 and 502; real servers use other codes too.
    if (state_ == State::ehlo && reply.first_digit() == 5) {
        say(State::helo);
        return std::nullopt;
    }
    return std::unexpected(Failure{error_from_reply(stage(), reply), true});
}

std::optional<Hello::Failure> Hello::on_cut_reply(const Reply& reply) const {
    if (reply.code == 421) return out_of_step(reply);
    if (reply.first_digit() < 4) return std::nullopt;
    if (!output_.empty()) return out_of_step(reply);
    return Failure{error_from_reply(stage(), reply)};
}

Stage Hello::stage() const { return state_ == State::greeting ? Stage::greeting : Stage::ehlo; }

Millis Hello::timeout() const {
    const auto& timeouts = options_.timeouts;
    return state_ == State::greeting ? timeouts.greeting : timeouts.command;
}

void Hello::say(State command) {
    state_ = command;
    output_ = (command == State::ehlo ? "EHLO " : "HELO ") + options_.ehlo_name + "\r\n";
}

// 421 ends the session wherever it comes; a reply before the command answers something that was
// never asked.
Hello::Failure Hello::out_of_step(const Reply& reply) const {
    if (reply.code == 421) return {error_from_reply(stage(), reply)};
    return {error_from_unexpected(stage(), reply)};
}

}  // namespace mta::smtp
