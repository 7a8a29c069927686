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
        malformed,    // the answer was unusable, or its CNAMEs had no end
        unreachable,  // no name server could be reached
        // No question was sent, because limits::dns_waiting_max look-ups are waiting. This says
        // nothing about the name.
        overloaded,
    };
    Kind kind = Kind::server_failure;
    std::string text;  // for the log and `why`: "SERVFAIL from 127.0.0.1:53 for them.example MX"

    [[nodiscard]] bool is_temporary() const {
        return kind != Kind::no_such_domain && kind != Kind::no_data;
    }
};

struct MxAnswer {
    MxRecords records;  // never empty
    mta::Millis ttl{};  // the shortest along the CNAME chain
};
struct AddressAnswer {
    Addresses addresses;  // never empty; in the order of the answer, AAAA before A
    mta::Millis ttl{};
};

template <class T>
using Lookup = std::expected<T, LookupError>;

// How fresh an answer must be. A look-up of any freshness joins a question that is under way.
enum class Freshness : std::uint8_t {
    cached,  // any answer that is still valid
    // For a retry or a probe: a cached failure does not count, unless it is younger than
    // retry_pause. NXDOMAIN and "no data" are answers, and stay valid.
    retry,
    // For an administrator's command, which may follow a repair of the DNS: the DNS is asked,
    // whatever is cached. If that fails, cached records that are still valid are the answer.
    ordered,
};
// Many retries at once cost one question a name in this time.
inline constexpr mta::Millis retry_pause{5'000};

// The origin of a host name: the DNS, or the administrator, in a static route. The hosts of a route
// are looked up in the system's hosts file before the DNS, as for any program of this machine. MX
// hosts never are, because the administrator did not choose them.
enum class HostOf : std::uint8_t { mx, route };

// A port, one a shard: the daemon asks the network through c-ares and a cache, the simulation
// invents answers. Callbacks come on the shard's loop, and never inside the call that asked. None
// comes after the resolver's destruction.
class Resolver {
public:
    using OnMx = std::move_only_function<void(const Lookup<MxAnswer>&)>;
    using OnAddresses = std::move_only_function<void(const Lookup<AddressAnswer>&)>;

    Resolver() = default;
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    virtual ~Resolver() = default;

    virtual void look_up_mx(const std::string& domain, Freshness freshness, OnMx on_answer) = 0;
    // Asks for A and AAAA, of which one is enough. The result is an error only if neither brought
    // an address: the temporary error if either is temporary, so that a passing failure never looks
    // like "no address".
    virtual void look_up_addresses(const std::string& host, HostOf of, Freshness freshness,
                                   OnAddresses on_answer) = 0;
};

}  // namespace dns
