#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dns/question.h"
#include "dns/record_set.h"
#include "dns/resolver.h"
#include "mta/base/time.h"

namespace dns {

// The name to ask for next: the answer ended with a CNAME that leads to it, and said nothing about
// it.
struct Alias {
    std::string target;
    mta::Millis ttl{};  // the shortest of the CNAMEs
};

struct Answer {
    Lookup<RecordSet> records;
    // How long the zone allows the answer to be kept (cache.h sets limits to it). Zero if the zone
    // did not say: for temporary errors, and for NXDOMAIN or "no data" without an SOA.
    mta::Millis ttl{};
    // Records that belong to the question, or may belong to it, and were broken. The others were
    // used.
    std::uint32_t dropped = 0;
    std::string dropped_words = {};   // about the first of them, for the log
    std::optional<Alias> alias = {};  // only beside a server_failure
};

// A negative answer is kept for as long as the zone's SOA says (RFC 2308 section 5), but never for
// longer than this: a domain that has just been registered or repaired should get its mail.
inline constexpr mta::Millis negative_ttl_max{5 * 60'000};

// Reads the DNS message with which `server` (a name for the error's text) answered `question`. The
// caller has checked the id and the sender. Everything else is checked here: question, owner names,
// lengths, compression pointers. CNAMEs are followed inside the message, from the question's name
// over at most mta::limits::cname_chain_max steps; records that belong to another name are ignored.
// At most mta::limits::dns_answer_records_max records of the answer are read.
//
// A broken record costs only itself: one whose name or data cannot be read, an MX record whose
// exchange is no valid host name, an address of the wrong length. It is dropped and counted. If the
// message ends inside a record, the records before it are used. If no usable record remains, the
// answer is `malformed` and not `no_data`: a domain that has MX records never falls back to its own
// address (RFC 5321 section 5.1).
//
// A referral is a `server_failure`: the server did not resolve the name. So is a CNAME without
// anything about its target and without an SOA; `alias` is the name to ask for then.
[[nodiscard]] Answer parse_answer(std::string_view message, const Question& question,
                                  std::string_view server);

}  // namespace dns
