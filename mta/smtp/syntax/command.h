#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mta/base/envelope.h"
#include "mta/base/time.h"
#include "mta/smtp/syntax/address.h"

namespace mta::smtp {

enum class Verb : std::uint8_t {
    ehlo,
    helo,
    mail,
    rcpt,
    data,
    bdat,
    rset,
    noop,
    vrfy,
    expn,
    help,
    quit,
    etrn,
    starttls,
    auth,
    unknown,
};
[[nodiscard]] std::string_view to_string(Verb verb);  // "MAIL", "unknown"

// A client has to wait for the reply to such a command: RFC 2920 section 3.1, RFC 3207 section 4,
// RFC 4954 section 4.
[[nodiscard]] bool ends_group(Verb verb);

struct HelloArguments {
    std::string name;  // printable, perhaps UTF-8; to be sanitised where it is written
    bool operator==(const HelloArguments&) const = default;
};
// RFC 2852: "BY=600;R".
struct ByArgument {
    std::int32_t seconds = 0;  // from now on; at most nine digits; negative if already late
    ByMode mode = ByMode::notify;
    bool trace = false;
    bool operator==(const ByArgument&) const = default;
};
struct MailArguments {
    Address reverse_path;
    // RFC 1870. UINT64_MAX if 64 bits cannot hold the number.
    std::optional<std::uint64_t> size;
    BodyType body_type = BodyType::seven_bit;
    bool smtputf8 = false;
    Ret ret = Ret::unspecified;
    std::string envid;
    std::optional<std::int8_t> priority = {};      // RFC 6710
    std::optional<std::uint32_t> hold_for_s = {};  // RFC 4865: at most one of the two
    std::optional<Instant> hold_until = {};
    std::optional<ByArgument> by = {};
    bool operator==(const MailArguments&) const = default;
};
struct RcptArguments {
    Address forward_path;
    std::uint8_t notify = notify_unspecified;
    std::string orcpt;
    bool operator==(const RcptArguments&) const = default;
};
struct BdatArguments {
    std::uint64_t size = 0;
    bool is_last = false;
    bool operator==(const BdatArguments&) const = default;
};

// RFC 1985: the domain or queue whose mail is to be sent.
struct EtrnArguments {
    enum class Kind : std::uint8_t {
        domain,
        tree,   // "@domain": the domain and all domains below it
        queue,  // "#name": a queue of that name
    } kind = Kind::domain;
    std::string node;    // as the client sent it, without '@' or '#'
    std::string domain;  // mta::to_a_labels() of it; empty for a queue
    bool operator==(const EtrnArguments&) const = default;
};

struct Command {
    Verb verb = Verb::unknown;
    std::variant<std::monostate, HelloArguments, MailArguments, RcptArguments, BdatArguments,
                 EtrnArguments>
        arguments;
    bool operator==(const Command&) const = default;
};

}  // namespace mta::smtp
