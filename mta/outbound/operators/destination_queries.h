#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "mta/outbound/context.h"
#include "mta/outbound/desk/queue_view.h"
#include "mta/outbound/destination/address_health.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/routing/router.h"
#include "queue/message_table.h"

namespace mta::outbound {

// What operators ask about destinations, and about domains and where their mail goes. It only
// reads.
class DestinationQueries {
public:
    struct Parts {
        const Context& context;
        const queue::MessageTable& table;
        const SiteTable& sites;
        const AddressHealth& addresses;
        const Router& router;
    };
    // All outlive it.
    explicit DestinationQueries(const Parts& parts) : parts_(parts) {}

    // As OperatorDesk.
    [[nodiscard]] DestinationList busy(std::size_t limit) const;
    [[nodiscard]] DestinationList in_trouble(std::size_t limit) const;
    [[nodiscard]] std::optional<DomainView> domain(const std::string& name) const;

    [[nodiscard]] DestinationView view_of(queue::SiteHandle site) const;
    [[nodiscard]] std::size_t down_count() const;

private:
    [[nodiscard]] DestinationList list(bool (*is_meant)(const Site&),
                                       bool (*is_before)(const Site&, const Site&),
                                       std::size_t limit) const;

    Parts parts_;
};

}  // namespace mta::outbound
