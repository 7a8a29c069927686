#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "dns/record_set.h"
#include "mta/base/ip_address.h"
#include "mta/base/time.h"

namespace dns {

struct LookupError {
    enum class Kind : std::uint8_t {
        no_such_domain,  // NXDOMAIN: permanent
        no_data,         // NOERROR, but no record of this type
        server_failure,  // SERVFAIL and every other rcode that is not NOERROR, NXDOMAIN or REFUSED
        refused,
        timed_out,
        malformed,    // the answer made no sense, or its CNAMEs had no end
        unreachable,  // no name server could be spoken to
        // limits::dns_waiting_max look-ups are waiting: nothing was asked, and the name is not to
        // blame
        overloaded,
    };
    Kind kind = Kind::server_failure;
    std::string text;  // for the log and `why`: "SERVFAIL from 127.0.0.1:53 for them.example MX"

    [[nodiscard]] bool is_temporary() const {
        return kind != Kind::no_such_domain && kind != Kind::no_data;
    }
};

struct MxAnswer {
    std::vector<MxRecord> records;  // never empty
    mta::Millis ttl{};              // the least along the CNAME chain
};
struct AddressAnswer {
    std::vector<mta::IpAddress>
        addresses;  // never empty; in the order of the answer, AAAA before A
    mta::Millis ttl{};
};

template <class T>
using Lookup = std::expected<T, LookupError>;

// How fresh an answer must be. A look-up joins a question that is under way, whatever it wants.
enum class Freshness : std::uint8_t {
    cached,  // any answer that is still valid
    // For a retry or a probe: a remembered failure does not count, unless it happened within the
    // last few seconds (retry_pause). NXDOMAIN and "no data" are answers, and stay valid.
    retry,
    // For an administrator's order, which may follow a repair of the DNS: the DNS is asked,
    // whatever is remembered. If it fails, records that are still valid are the answer.
    ordered,
};
// Many retries at once cost one question for each name in this time.
inline constexpr mta::Millis retry_pause{5'000};

// The origin of a host name: the DNS, or the administrator, in a static route. For a route's hosts
// the system's hosts file is asked before the DNS, as for any program of this machine; never for MX
// hosts, which are not the administrator's.
enum class HostOf : std::uint8_t { mx, route };

// A port: the daemon asks the network through c-ares and a cache, the simulation invents answers.
// One a shard. Callbacks come on the shard's loop and never inside the call that asked; after
// destruction none comes any more.
class Resolver {
public:
    using OnMx = std::move_only_function<void(const Lookup<MxAnswer>&)>;
    using OnAddresses = std::move_only_function<void(const Lookup<AddressAnswer>&)>;

    Resolver() = default;
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    virtual ~Resolver() = default;

    virtual void look_up_mx(const std::string& domain, Freshness freshness, OnMx on_answer) = 0;
    // A and AAAA. One of the two is enough; an error only if neither gave an address: the temporary
    // one if either was temporary, so that a passing trouble never looks like "no address".
    virtual void look_up_addresses(const std::string& host, HostOf of, Freshness freshness,
                                   OnAddresses on_answer) = 0;
};

}  // namespace dns
