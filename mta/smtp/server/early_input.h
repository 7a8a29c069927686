#pragma once
#include <cstdint>

#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// Input is early if it arrives before a reply for which the client had to wait (the banner, the
// reply to EHLO, DATA ...; after HELO any reply; RFC 2920) has left.
//
// Early input from a stranger ends the session. Clients of our own may send early, since devices
// and scripts often cannot wait. Two cases are refused from them, too: input before the reply to
// STARTTLS or AUTH, which change the rules, and input before the reply to a first line that is no
// command, since it may belong to another protocol into which an attacker has put commands.
class EarlyInput {
public:
    enum class Verdict : std::uint8_t {
        in_time,  // the client need not wait, or the reply has left
        allowed,  // early, from a client of our own
        refused,
    };

    // At first the client has to wait for the banner.
    explicit EarlyInput(bool is_own) : verdict_(is_own ? Verdict::allowed : Verdict::refused) {}

    // A command has come, and its reply has not left. `is_extended`: after EHLO.
    // `is_greeted`: after EHLO or HELO.
    void begin_reply(Verb verb, bool is_own, bool is_extended, bool is_greeted);
    void end_reply() { verdict_ = Verdict::in_time; }
    // What to do with input that arrives now.
    [[nodiscard]] Verdict verdict() const { return verdict_; }

    // The client has been found not to wait.
    void set_seen() { is_seen_ = true; }
    [[nodiscard]] bool is_seen() const { return is_seen_; }

private:
    Verdict verdict_;
    bool is_seen_ = false;
};

}  // namespace mta::smtp
