#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "dns/resolver.h"
#include "mta/base/outcome.h"
#include "mta/base/pending.h"
#include "mta/base/time.h"
#include "mta/outbound/attempt/attempt_table.h"
#include "mta/outbound/context.h"
#include "mta/outbound/destination/site_table.h"
#include "queue/scheduler.h"

namespace mta::outbound {

// The addresses of the hosts that attempts go to. The name servers of a host may be silent: neither
// the expiry of mail nor the connections of others wait for them.
class HostLookUps {
public:
    // A look-up that lasts longer holds no connection.
    static constexpr Millis long_look_up{1'000};

    struct Parts {
        SiteTable& sites;
        const AttemptTable& attempts;
        dns::Resolver& resolver;
        queue::Scheduler& scheduler;
    };
    HostLookUps(Context& context, Parts parts) : context_(context), parts_(parts) {}

    // What a look-up brought: addresses in the order in which to try them, or why there are none.
    struct Found {
        Result<std::vector<Endpoint>> addresses;
        bool is_this_machine = false;
    };
    using OnFound = std::function<void(const Found&)>;

    // The address that the host's name is itself; nullopt if it has to be looked up.
    [[nodiscard]] std::optional<Found> literal(queue::SiteHandle site,
                                               const conf::NextHopHost& host);
    // `on_found` is called later, or never if `answer` is destroyed before. nullptr: the resolver
    // has no room for the look-up now.
    void begin(const Attempt& attempt, const conf::NextHopHost& host, Pending& answer,
               std::function<void(const Found*)> on_found);

    // Attempts whose look-up is not to go on as it does. Those with expired recipients go back into
    // the line, where they expire like any mail there.
    struct Overdue {
        std::vector<AttemptHandle> expired;
        std::vector<AttemptHandle> long_ones;  // that hold a place
    };
    [[nodiscard]] Overdue take_overdue();
    [[nodiscard]] std::optional<Instant> next_wakeup() const { return next_check_; }

private:
    static constexpr Millis check_interval{5'000};

    [[nodiscard]] Found found_of(queue::SiteHandle site, const conf::NextHopHost& host,
                                 const dns::Lookup<dns::AddressAnswer>& answer);
    void put_in_order(const Site& site, std::vector<Endpoint>& endpoints) const;
    [[nodiscard]] bool has_expired(const Attempt& attempt) const;
    void check_at(Instant when);

    Context& context_;
    Parts parts_;
    std::optional<Instant> next_check_;  // while hosts are being looked up
};

}  // namespace mta::outbound
