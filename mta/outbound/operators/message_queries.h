#pragma once
#include <optional>

#include "mta/base/pending.h"
#include "mta/base/time.h"
#include "mta/outbound/attempt/attempts.h"
#include "mta/outbound/context.h"
#include "mta/outbound/desk/attempt_history.h"
#include "mta/outbound/desk/queue_view.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/lifecycle/whereabouts.h"
#include "mta/outbound/routing/router.h"
#include "queue/bundle.h"
#include "queue/scheduler.h"
#include "queue/store.h"

namespace mta::outbound {

// The state of a recipient as operators see it.
[[nodiscard]] ViewState state_of(const queue::RecipientEntry& recipient);

// What operators ask about one message: where it is, what each recipient waits for, what blocks it,
// and what was tried. It only reads.
class MessageQueries {
public:
    struct Parts {
        const Context& context;
        queue::Store& store;
        const queue::Scheduler& scheduler;
        const queue::BundleSlab& bundles;
        const SiteTable& sites;
        const Router& router;
        const Attempts& attempts;
        const AttemptHistory& history;
        const Whereabouts& whereabouts;
    };
    // All outlive it. `started` is the start of the relay.
    MessageQueries(const Parts& parts, Instant started) : parts_(parts), started_(started) {}

    // As OperatorDesk.
    [[nodiscard]] std::optional<MessageView> find(queue::MessageId id) const;
    void describe(queue::MessageId id, OnDescribed on_described);

private:
    [[nodiscard]] MessageView view_of(queue::MessageHandle message) const;
    [[nodiscard]] RecipientView view_of(const queue::MessageEntry& message,
                                        const queue::RecipientEntry& recipient) const;
    void describe_wait(const queue::MessageEntry& message, const queue::RecipientEntry& recipient,
                       RecipientView& view) const;
    void describe_wait_for_domain(const queue::Bundle& bundle, RecipientView& view) const;
    void describe_wait_for_site(const queue::Bundle& bundle, RecipientView& view) const;
    // More than view_of() says.
    void describe_blocker(const queue::RecipientEntry& recipient, RecipientView& view) const;
    void describe_history(queue::MessageHandle message, MessageView& view) const;
    [[nodiscard]] MessageView described(queue::MessageHandle message,
                                        queue::StoredMessage stored) const;

    Parts parts_;
    Instant started_;
    Pending reads_;
};

}  // namespace mta::outbound
