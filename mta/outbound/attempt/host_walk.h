#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/settings.h"
#include "mta/base/ip_address.h"
#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/outbound/destination/address_health.h"
#include "mta/outbound/destination/asked_addresses.h"
#include "mta/outbound/destination/host_limits.h"

namespace mta::outbound {

// Why an attempt is made.
enum class Purpose : std::uint8_t {
    mail,
    probe,          // the destination is down; this attempt finds out whether it is back
    ordered_probe,  // the same at an operator's order: asks all hosts and addresses
};

// The way of one attempt from host to host and from address to address. It performs no I/O: next()
// says what is to be done, and the caller reports what came of it.
//
//   plan() -> next() -> Resolve     the caller looks the host up, then found() or not_found()
//                    -> Connect     the caller connects, then connecting(); after the session
//                                   next() again, or leave_host() and next()
//                    -> QueueAt     every host that is left has no room: the attempt queues
//                    -> PauseUntil  the rates do not allow another connection yet: next() again
//                    -> Exhausted   no host is left that may be asked now
//
// Hosts are asked in the plan's order. An attempt tries at most `addresses_max` addresses and
// sessions_max sessions, of those in which EHLO was answered; an ordered probe tries all addresses.
//
// Addresses that are failing are skipped. If no other is left, the one whose next try is due first
// is tried once; a probe tries failing ones too. Addresses that earlier attempts of the destination
// asked in vain (AskedAddresses) are skipped until all have been asked: then a new round begins.
//
// A host without room is waited for, and before that only hosts of the same preference are asked. A
// host that is closed (it has turned connections away) is skipped if another one is left.
class HostWalk {
public:
    using HostPtr = HostLimits::HostPtr;

    static constexpr std::uint32_t sessions_max = 2;

    struct Plan {
        std::vector<conf::NextHopHost> hosts;
        std::vector<std::uint16_t> ranks;  // one a host; equal preference, equal rank
    };
    // By which families of addresses the destination may be reached.
    struct Families {
        conf::IpFamilies allowed = conf::IpFamilies::v6_first;
        std::string_view source;  // the pool of [[source]]s; empty: the system chooses
        bool source_has_v4 = true;
        bool source_has_v6 = true;
        bool is_static = false;  // an address that a route names is used whatever its family
    };
    // What next() goes by, as it is at the moment of the call.
    struct Surroundings {
        Instant now;
        const AddressHealth& health;
        AskedAddresses& asked;  // of the destination
        Families families;
        std::uint32_t addresses_max = 0;
        bool may_ask = true;      // the destination is open, and up unless this is its probe
        bool is_retried = false;  // skip addresses that have refused for now, too
        bool has_answer = false;  // a host has answered about the message: do not queue
        Instant allowed_at;       // by the rates; a time that has passed: now
        Instant expires_at = Instant::max();    // the first recipient is given up
        const HostLimits::Host* own = nullptr;  // a slot at this host is kept for the attempt
    };

    struct Resolve {
        conf::NextHopHost host;
    };
    struct Connect {
        Endpoint endpoint;
        HostPtr host;
    };
    struct QueueAt {
        HostPtr host;
    };
    struct PauseUntil {
        Instant at;
    };
    struct Exhausted {
        bool have_all_been_asked = false;  // no host was left out
    };
    using Step = std::variant<Resolve, Connect, QueueAt, PauseUntil, Exhausted>;

    // Begins the way, or begins it again on a new connection. `was_answered`: some host has
    // answered in this attempt, so the one that was asked last is not asked again.
    void plan(Plan plan, Purpose purpose, bool was_answered);
    [[nodiscard]] bool is_planned() const { return is_planned_; }
    // An order has made a probe of this destination an ordered one.
    void set_purpose(Purpose purpose) { purpose_ = purpose; }

    [[nodiscard]] Step next(const Surroundings& around);

    // The addresses of the host that was to be resolved, in the order in which to try them.
    void found(std::vector<Endpoint> addresses, HostPtr host, const AddressHealth& health);
    // The host has none. `is_this_machine`: hosts of equal or worse preference are not asked
    // either (RFC 5321 section 5.1).
    void not_found(DeliveryError error, bool is_this_machine);
    // The look-up could not be made now: the host is resolved again.
    void resolve_again();
    // The connection to Connect::endpoint is being opened.
    void connecting();
    // The address turned the connection away as one too many: that does not count as asked.
    void take_back(const Endpoint& endpoint);
    // A transaction begins at this address, with this host unless the name is empty.
    void speaks_to(const std::string& host, const Endpoint& endpoint);
    // A session has ended in which EHLO was answered.
    void count_session() { ++sessions_; }
    // On to the next host.
    void leave_host();
    // The same host is to be asked again on a new connection. Returns false if it is not in the
    // plan; then the way has to be planned again.
    bool retry_host(const Endpoint& endpoint);
    // The next step needs a plan().
    void forget_plan() { is_planned_ = false; }
    // The attempt was called from the queue at a full host: back to that host.
    void return_to_full_host();
    // Our IPv6 address was refused because it has no name: from the first host again, by IPv4.
    void turn_to_v4();
    [[nodiscard]] bool is_only_v4() const { return only_v4_; }

    // The most telling reason why no host could be spoken to so far.
    [[nodiscard]] const std::optional<DeliveryError>& trouble() const { return trouble_; }
    [[nodiscard]] std::optional<DeliveryError>& trouble() { return trouble_; }
    // What a host did that was reached says more than anything before.
    void set_trouble(DeliveryError error) { trouble_ = std::move(error); }
    // What was learnt without reaching a host; the most hopeful reason is kept.
    void add_trouble(DeliveryError error);

    [[nodiscard]] const std::string& host() const { return host_; }
    [[nodiscard]] const HostPtr& full_host() const { return full_; }
    [[nodiscard]] conf::NextHopHost full_host_name() const { return plan_.hosts[full_place_]; }
    [[nodiscard]] std::uint32_t sessions() const { return sessions_; }
    // Asked in the present round of the destination's addresses.
    [[nodiscard]] std::span<const Endpoint> asked_in_round() const;

private:
    // Which addresses come next: those that were not asked in vain lately, then the others. In
    // neither pass an address that this attempt has asked.
    enum class Pass : std::uint8_t { others, all };
    struct LeastBad {
        conf::NextHopHost name;
        HostPtr host;
        Endpoint endpoint;
        Instant next_try;
    };

    [[nodiscard]] bool is_enough(const Surroundings& around) const;
    [[nodiscard]] bool go_to_next_address(const Surroundings& around);
    [[nodiscard]] bool can_reach(const Families& families, const IpAddress& address);
    [[nodiscard]] bool is_skipped(const Endpoint& endpoint, const Surroundings& around);
    [[nodiscard]] bool has_next_host(Instant now) const;
    [[nodiscard]] bool begin_last_pass(AskedAddresses& asked);
    [[nodiscard]] bool turn_to_least_bad();
    void clear_addresses();

    Plan plan_;
    bool is_planned_ = false;
    Purpose purpose_ = Purpose::mail;
    std::size_t next_host_ = 0;
    std::string host_;  // the one that is asked, or was asked last
    std::vector<Endpoint> addresses_;
    std::size_t next_address_ = 0;
    HostPtr slots_;               // of the host whose addresses these are
    HostPtr full_;                // the first host that had no room,
    std::size_t full_place_ = 0;  // and its place in the plan
    std::optional<LeastBad> least_bad_;
    std::vector<Endpoint> asked_;
    std::size_t asked_before_round_ = 0;
    Pass pass_ = Pass::others;
    bool takes_failing_ = false;
    bool has_skipped_asked_ = false;  // addresses that earlier attempts asked in vain
    bool only_v4_ = false;
    std::uint32_t addresses_tried_ = 0;
    std::uint32_t sessions_ = 0;
    std::optional<DeliveryError> trouble_;
};

}  // namespace mta::outbound
