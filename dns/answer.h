#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/question.h"
#include "dns/resolver.h"
#include "mta/base/ip_address.h"
#include "mta/base/time.h"

namespace dns {

// What one question brought. Of the two lists, the one that the question's type asks for is not
// empty.
struct RecordSet {
    std::vector<MxRecord> mx;               // in the order of the answer
    std::vector<mta::IpAddress> addresses;  // A or AAAA, in the order of the answer
    bool operator==(const RecordSet&) const = default;
};

// The answer ended with a CNAME to a name about which it says nothing: that has to be asked for.
struct Alias {
    std::string target;
    mta::Millis ttl{};  // the least of the CNAMEs
};

struct Answer {
    Lookup<RecordSet> records;
    // How long the answer may be kept, as the zone says (not yet clamped; see dns/cache.h). Zero
    // for what the zone did not say: temporary errors, and NXDOMAIN or "no data" without an SOA.
    mta::Millis ttl{};
    // Records that belong to the question, or may, and were broken. The others were used.
    std::uint32_t dropped = 0;
    std::string dropped_words = {};   // about the first of them, for the log
    std::optional<Alias> alias = {};  // only beside a server_failure
};

// A negative answer is believed for as long as the zone's SOA says (RFC 2308 section 5), but never
// longer than this: a domain that has just been registered or repaired should get its mail.
inline constexpr mta::Millis negative_ttl_max{5 * 60'000};

// Reads one DNS message that came from `server` (a name for the error's text) in reply to
// `question`. Whoever received it has checked id and sender; everything else is checked here:
// question, owner names, lengths, compression pointers. CNAMEs are followed inside the message,
// from the question's name over at most mta::limits::cname_chain_max steps; records that belong to
// another name are ignored. At most mta::limits::dns_answer_records_max records of the answer are
// looked at.
//
// A broken record costs only itself: one whose name or data cannot be read, an MX record whose
// exchange is no valid host name, an address of the wrong length. It is dropped and counted. If the
// message ends inside a record, the records before it are used. If no usable record remains, the
// answer is `malformed` and not `no_data`: a domain that has MX records never falls back to its own
// address (RFC 5321 section 5.1).
//
// A referral is a `server_failure`: the server did not look further. So is a CNAME without anything
// about its target and without an SOA; then `alias` says what to ask for.
[[nodiscard]] Answer parse_answer(std::string_view message, const Question& question,
                                  std::string_view server);

}  // namespace dns
