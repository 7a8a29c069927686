#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/outbound/address_health.h"
#include "mta/outbound/core.h"
#include "mta/outbound/deliveries.h"
#include "mta/outbound/ledger.h"
#include "mta/outbound/lines.h"
#include "mta/outbound/message_copies.h"
#include "mta/outbound/queue_manager.h"
#include "mta/outbound/router.h"
#include "mta/outbound/site.h"

namespace mta::outbound {

// As operators see it.
[[nodiscard]] ViewState state_of(const queue::RecipientEntry& recipient);

// The parts and how they hang together. A recipient's way through them:
//
//   scheduler (due) -> lines (bundle) -> router (site) -> site's line -> deliveries (attempt)
//   -> ledger (outcome: store, reports) -> scheduler (next due, or done)
struct QueueManager::Impl {
    class Scan;

    Impl(SettingsPtr settings, Ports ports, Hooks hooks, std::uint64_t seed);
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() { core.is_alive.reset(); }

    void accept(std::shared_ptr<const queue::Message> message);
    void forget(std::uint32_t message);
    void fail_parked(std::uint32_t domain, const DeliveryError& error);
    void tick();
    void serve(const queue::Scheduler::Work& work);
    void expire(std::uint32_t message);
    void dispatch();
    [[nodiscard]] std::optional<Instant> next_wakeup() const;
    void reload(SettingsPtr settings);

    // Runs `change` for each recipient of `only` that an order may touch: open, and neither being
    // delivered nor reported. It is out of its bundle then. The number touched.
    template <class Change>
    std::size_t change_recipients(std::uint32_t message, const RecipientNumbers& only,
                                  const Change& change);
    // The site, and those of its addresses that are unwell, are tried at the next chance.
    void probe_now(std::uint32_t site);
    std::size_t make_due(std::uint32_t message, std::optional<std::uint32_t> domain);

    // Where a recipient's mail goes; null: not known yet.
    [[nodiscard]] const Site* site_of(const queue::MessageEntry& message,
                                      const queue::RecipientEntry& recipient) const;
    // Of what it waits for; null: it is in no line.
    [[nodiscard]] const queue::Health* health_of(const queue::RecipientEntry& recipient) const;
    // Why a recipient came to nothing so far: its own last error, else its destination's.
    [[nodiscard]] const DeliveryError* reason_of(const queue::RecipientEntry& recipient) const;
    [[nodiscard]] const DeliveryError& reason_or_default(
        const queue::RecipientEntry& recipient) const;
    [[nodiscard]] MessageView view_of(std::uint32_t message) const;
    [[nodiscard]] RecipientView view_of(const queue::MessageEntry& message,
                                        const queue::RecipientEntry& recipient) const;
    void describe_wait(const queue::MessageEntry& message, const queue::RecipientEntry& recipient,
                       RecipientView& view) const;
    [[nodiscard]] DestinationView site_view_of(std::uint32_t site) const;
    // More than view_of() says, of one message.
    void describe_blocker(const queue::RecipientEntry& recipient, RecipientView& view) const;
    void describe_history(std::uint32_t message, MessageView& view) const;

    Core core;
    SiteTable sites;
    AddressHealth addresses;
    MessageCopies copies;
    Lines lines;
    Router router;
    Ledger ledger;
    Deliveries deliveries;
};

}  // namespace mta::outbound
