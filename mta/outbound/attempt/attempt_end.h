#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mta/outbound/attempt/attempt_table.h"
#include "mta/outbound/attempt/verdict.h"
#include "mta/outbound/context.h"
#include "mta/outbound/desk/attempt_history.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/lifecycle/ledger.h"
#include "mta/outbound/lifecycle/lines.h"
#include "queue/scheduler.h"
#include "queue/store.h"

namespace mta::outbound {

// What an attempt's result means beyond the attempt: recipients leave their bundle and are settled
// in the ledger, or go back into the site's line, or wait for a pause; the site learns how it went.
// Functions that take a handle end the attempt: the handle is void afterwards.
class AttemptEnd {
public:
    using How = queue::Destination::Ended::How;
    struct Parts {
        SiteTable& sites;
        Lines& lines;
        Ledger& ledger;
        AttemptTable& table;
        queue::Scheduler& scheduler;
        AttemptHistory& history;
    };
    AttemptEnd(Context& context, Parts parts) : context_(context), parts_(parts) {}

    // A host could not be spoken to: for the history of the recipients, and for those that wait for
    // the site.
    void record_host_failure(const Attempt& attempt, const DeliveryError& error);
    // Answers that count only if no other host takes the recipient.
    void record_uncharged(const Attempt& attempt, const Verdict& verdict);

    // Some recipients are served; the attempt goes on for the others.
    void settle(const Attempt& attempt, std::span<const Outcome> outcomes);
    // All recipients are served. The site learns of it first: what is settled may bring new mail
    // for it.
    void settle_all(AttemptHandle handle, std::span<const Outcome> outcomes, How how);
    // Nothing is charged: the bundle goes back into the line, to its front if no host was offered
    // of it.
    void put_back(AttemptHandle handle, How how = How::unknown);
    // The verdict sends some recipients into another transaction at once. `are_unharmed`: other
    // recipients broke the session, so these keep their turn.
    void go_again(AttemptHandle handle, const Verdict& verdict, bool are_unharmed);
    // No host is left, or none may be asked now.
    void give_up(AttemptHandle handle, bool have_all_been_asked);
    // The store cannot give the message back. Neither the message nor the host is at fault: nothing
    // is charged and nothing learnt. If only the store is in trouble the message is tried later; if
    // its bytes are lost, the ledger reports it.
    void end_unreadable(AttemptHandle handle, const queue::StoreError& error);
    // What is left of the bundle, uncharged, waits for the site if that is down or closed, and
    // otherwise for a pause of its own: a message that cannot be read must not be the next probe
    // again.
    void end(AttemptHandle handle, How how);

    // The recipients that a verdict settles, with `taken` as the reply that took them. The outcomes
    // point into the verdict.
    struct Taken {
        DeliveryError reply;
        std::string_view source;
        bool is_dsn_passed_on = false;
        bool is_deliver_by_passed_on = false;
    };
    [[nodiscard]] static std::vector<Outcome> outcomes_of(const Attempt& attempt,
                                                          const Verdict& verdict,
                                                          const Taken& taken);

private:
    [[nodiscard]] bool is_lacking_for_good(const Attempt& attempt, std::size_t place);
    void leave_bundle(const Attempt& attempt, std::uint32_t recipient);
    void remember_asked(const Attempt& attempt, How how);
    void teach_site(const Attempt& attempt, How how);
    void postpone(const Attempt& attempt);

    Context& context_;
    Parts parts_;
};

}  // namespace mta::outbound
