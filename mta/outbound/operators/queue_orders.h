#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include "mta/outbound/attempt/attempts.h"
#include "mta/outbound/context.h"
#include "mta/outbound/desk/queue_view.h"
#include "mta/outbound/destination/address_health.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/lifecycle/ledger.h"
#include "mta/outbound/lifecycle/lines.h"
#include "mta/outbound/lifecycle/message_copies.h"
#include "mta/outbound/routing/router.h"
#include "queue/handles.h"
#include "queue/scheduler.h"

namespace mta::outbound {

// What operators order. An order changes recipients that are open and neither being delivered nor
// reported, and returns their number.
class QueueOrders {
public:
    struct Parts {
        Context& context;
        queue::Scheduler& scheduler;
        SiteTable& sites;
        AddressHealth& addresses;
        MessageCopies& copies;
        Lines& lines;
        Router& router;
        Ledger& ledger;
        Attempts& attempts;
    };
    // All outlive it.
    explicit QueueOrders(const Parts& parts) : parts_(parts) {}

    // As OperatorDesk.
    std::size_t hold(queue::MessageId id, const RecipientNumbers& only);
    std::size_t release(queue::MessageId id, const RecipientNumbers& only);
    std::size_t flush(queue::MessageId id, const RecipientNumbers& only);
    std::size_t cancel(queue::MessageId id, const RecipientNumbers& only);
    std::size_t bounce(queue::MessageId id, const std::string& reason,
                       const RecipientNumbers& only);

    // Makes the recipients in these domains due.
    std::size_t make_due(queue::MessageHandle message, const queue::DomainSet& domains);
    // What the mail of the domain waits for is tried now: the DNS, its site and, if there is mail,
    // outside of the site's hours too.
    void wake_domain(queue::DomainHandle domain, bool has_mail);
    // Gives open recipients up with 5.3.0 and this reason, without an attempt.
    std::size_t fail_open(queue::MessageHandle message,
                          const std::shared_ptr<const queue::Message>& content,
                          const RecipientNumbers& only, const std::string& reason);

private:
    // Runs `change` for each recipient that an order may change.
    template <class Change>
    std::size_t change_recipients(queue::MessageHandle message, const RecipientNumbers& only,
                                  const Change& change);
    // The site and those of its addresses that are unwell are tried at the next chance;
    // `opens_hours`: outside of its hours too.
    void probe_now(queue::SiteHandle site, bool opens_hours);

    Parts parts_;
};

}  // namespace mta::outbound
