#pragma once
#include <optional>

#include "mta/base/outcome.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/routing/router.h"
#include "queue/bundle.h"
#include "queue/health.h"
#include "queue/message_table.h"

namespace mta::outbound {

// Where the mail for a recipient goes, and why it has not been delivered so far.
class Whereabouts {
public:
    // All outlive it.
    Whereabouts(const queue::MessageTable& table, const queue::BundleSlab& bundles,
                const SiteTable& sites, const Router& router)
        : table_(table), bundles_(bundles), sites_(sites), router_(router) {}

    // Null if it is not known yet where the mail goes.
    [[nodiscard]] const Site* site_of(const queue::MessageEntry& message,
                                      const queue::RecipientEntry& recipient) const;
    // The health of what the recipient waits for: the DNS for its domain, or its destination. Null
    // if it waits for neither.
    [[nodiscard]] const queue::Health* health_of(const queue::RecipientEntry& recipient) const;
    // Whether that is down.
    [[nodiscard]] bool waits_for_outage(const queue::RecipientEntry& recipient) const;

    // The error of an outage that the recipient waits for, otherwise its own last error. Empty if
    // there is none.
    [[nodiscard]] std::optional<DeliveryError> reason_of(
        const queue::RecipientEntry& recipient) const;
    // The same for the same reason; null if there is none.
    [[nodiscard]] const void* reason_identity(const queue::RecipientEntry& recipient) const;
    // For mail that must have a reason, because it is given up.
    [[nodiscard]] DeliveryError reason_or_default(const queue::RecipientEntry& recipient) const;

private:
    const queue::MessageTable& table_;
    const queue::BundleSlab& bundles_;
    const SiteTable& sites_;
    const Router& router_;
};

}  // namespace mta::outbound
