#include "mta/outbound/lifecycle/whereabouts.h"

namespace mta::outbound {

const queue::Health* Whereabouts::health_of(const queue::RecipientEntry& recipient) const {
    if (!recipient.bundle) return nullptr;
    const auto& bundle = bundles_[recipient.bundle];
    return bundle.state == queue::Bundle::State::routing
               ? router_.view(bundle.domain).health
               : &sites_[bundle.site].destination.health();
}

std::optional<DeliveryError> Whereabouts::reason_of(const queue::RecipientEntry& recipient) const {
    const auto* const health = health_of(recipient);
    if (health != nullptr && !health->is_up()) return health->last_error();
    if (recipient.error) return table_.error(recipient);
    return std::nullopt;
}

const void* Whereabouts::reason_identity(const queue::RecipientEntry& recipient) const {
    const auto* const health = health_of(recipient);
    if (health != nullptr && !health->is_up()) return &health->last_error();
    if (recipient.error) return table_.error_identity(recipient);
    return nullptr;
}

const Site* Whereabouts::site_of(const queue::MessageEntry& message,
                                 const queue::RecipientEntry& recipient) const {
    if (recipient.bundle && bundles_[recipient.bundle].state != queue::Bundle::State::routing) {
        return &sites_[bundles_[recipient.bundle].site];
    }
    const auto routed = router_.view(recipient.domain, router_.source_of(message)).site;
    return routed ? &sites_[routed] : nullptr;
}

bool Whereabouts::waits_for_outage(const queue::RecipientEntry& recipient) const {
    const auto* const health = health_of(recipient);
    return health != nullptr && !health->is_up();
}

DeliveryError Whereabouts::reason_or_default(const queue::RecipientEntry& recipient) const {
    static const DeliveryError untried{
        .status = {4, 4, 7}, .scope = Scope::message, .text = "it could not be delivered so far"};
    return reason_of(recipient).value_or(untried);
}

}  // namespace mta::outbound
