#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mta/outbound/core.h"
#include "mta/outbound/router.h"
#include "mta/outbound/site.h"

namespace mta::outbound {

// Puts recipients that are due into bundles, and bundles into the lines in which they wait: of
// their domain while it is not known where the mail goes, then of their site. Keeps the three views
// of a bundle (recipients, message, line) in step.
class Lines {
public:
    Lines(Core& core, SiteTable& sites) : core_(core), sites_(sites) {}
    // The router is made after the lines and calls them back.
    void set_router(Router& router) { router_ = &router; }

    // Every recipient of the message that is waiting and due.
    void line_up_due(std::uint32_t message);
    // The domain's bundles move on to its site's line.
    void on_routed(std::uint32_t domain);
    // One recipient out of its bundle: it is over for him, or he waits again. A bundle that has
    // become empty is gone.
    void leave(std::uint32_t message, queue::RecipientEntry& recipient);

    // The site's next bundle for a delivery, with at most `recipients_max` recipients: the others
    // keep their place in line.
    [[nodiscard]] std::uint32_t take(std::uint32_t site, std::size_t recipients_max);
    // Of a bundle, in the envelope's order.
    [[nodiscard]] std::vector<std::uint32_t> recipients_of(std::uint32_t bundle) const;
    // A bundle that was taken goes back into its site's line: to its end, or, if nobody has heard
    // of it, to where it was. (A message that makes hosts hang up must not have every turn.)
    enum class Place : std::uint8_t { last, first };
    void put_back(std::uint32_t bundle, Place place = Place::last);
    // Of a bundle that was taken all recipients but these (ascending numbers) go back into the
    // line.
    void put_back_others(std::uint32_t bundle, std::span<const std::uint32_t> kept);

    // Out of all lines, for routing anew: the recipients are waiting and due now.
    void dissolve_lined_up(std::uint32_t message);

private:
    [[nodiscard]] std::uint32_t find(std::uint32_t message, queue::Bundle::State state,
                                     std::uint32_t place) const;
    [[nodiscard]] std::uint32_t add(std::uint32_t message, queue::Bundle::State state,
                                    std::uint32_t place);
    void remove(std::uint32_t bundle);
    void leave_line(std::uint32_t bundle);
    void move_recipients(std::uint32_t from, std::uint32_t to, std::size_t skip, std::size_t count);

    Core& core_;
    SiteTable& sites_;
    Router* router_ = nullptr;
};

}  // namespace mta::outbound
